// Checks what the waits in one row of a CSV program claim: that the send or the reduction was
// issued earlier. Our programs have no waits, because a run keeps what is sent or reduced until
// that ends.
#pragma once

#include <map>
#include <optional>
#include <tuple>

#include "stages/program/written_program.h"

namespace stagecraft {

class CsvWaitCheck {
 public:
  /// Notes that the row issues a send or a reduction. Throws TextError if it did before.
  void issue(const Instruction& instruction, TextPosition location);
  /// Notes a wait for it. Throws TextError unless it was issued earlier in the row, and if the row
  /// has waited for it before.
  void wait(const Instruction& awaited, TextPosition location);

 private:
  struct Issue {
    TextPosition location;
    std::optional<TextPosition> wait = {};
  };
  std::map<std::tuple<Op, int, int>, Issue> issues_;
};

}  // namespace stagecraft
