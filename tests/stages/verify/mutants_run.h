// Proven mutants on the real executor, over channels of a test's choice.
#pragma once

#include <functional>
#include <string>

#include "tests/stages/execute/pipeline_loop.h"
#include "tests/stages/verify/mutants.h"

namespace stagecraft::test {

class MutantRuns {
 public:
  explicit MutantRuns(std::uint64_t seed) : source_(seed) {}

  /// Takes mutants until `proven` more of them differ from their schedule and are proven for the
  /// executor's slots, and runs each of these for two passes, over channels of its own. Every stage
  /// has to come to the end of its line, in the line's order, with the tensors that it should get.
  /// Uses Catch's assertions.
  void run(int proven, const std::function<MakeChannel()>& make_channels);
  /// How many were run, and of how many programs they were chosen.
  std::string words() const;

 private:
  Mutants source_;
  unsigned taken_ = 0;
  int run_ = 0;
};

}  // namespace stagecraft::test
