// Runs programs in the worst case that docs/schedules.md names ("The proof"), instruction by
// instruction, to find out by trial what `verify` decides by reasoning. Shares no code with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"

namespace stagecraft::test {

/// What stages may hold, in bytes.
struct Bounds {
  int slots = 2;                                // of each channel
  std::optional<std::int64_t> bytes = {};       // of a stage
  std::vector<std::int64_t> stage = {};         // held throughout, one a stage
  std::vector<std::int64_t> stash = {};         // of a micro-batch from F to B or I, one a chunk
  std::vector<std::int64_t> weight_stash = {};  // from I to W
  std::vector<std::int64_t> forward = {};       // while F runs, in place of what it takes
  std::vector<std::int64_t> backward_input = {};
  std::vector<std::int64_t> backward = {};
  std::int64_t tensor = 0;  // what one chunk hands to the next
};

struct Outcome {
  std::string trouble;              // the first that was met; "" if all went well
  std::vector<std::int64_t> peaks;  // bytes a stage; whole only if all went well
  bool exhaustive = false;          // every interleaving was tried
};

/// Tries every interleaving of the stages if they have at most `most_states` states together, else
/// some at random.
Outcome interpret(const Program& program, const ReductionShape& reductions, const Bounds& bounds,
                  std::uint64_t seed, std::size_t most_states = 4000);

}  // namespace stagecraft::test
