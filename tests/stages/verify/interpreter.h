// Runs programs instruction by instruction in the worst case of docs/schedules.md ("The proof"), to
// find by trial what `verify` decides by reasoning. Shares no code with verify.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"

namespace stagecraft::test {

/// The sizes of what stages hold, and their limit, in bytes.
struct Bounds {
  int slots = 2;                                // of each channel
  std::optional<std::int64_t> bytes = {};       // of a stage
  std::vector<std::int64_t> stage = {};         // held throughout, per stage
  std::vector<std::int64_t> stash = {};         // of a micro-batch from F to B or I, per chunk
  std::vector<std::int64_t> weight_stash = {};  // from I to W
  std::vector<std::int64_t> forward = {};       // while F runs, in place of what it takes
  std::vector<std::int64_t> backward_input = {};
  std::vector<std::int64_t> backward = {};
  std::int64_t tensor = 0;  // of the tensor between two chunks
};

struct Outcome {
  std::string trouble;              // the first error found; "" if there is none
  std::vector<std::int64_t> peaks;  // bytes per stage; complete only without an error
  bool exhaustive = false;          // every interleaving was tried
};

/// Tries every interleaving of the stages if together they have at most `most_states` states,
/// otherwise some at random.
Outcome interpret(const Program& program, const ReductionShape& reductions, const Bounds& bounds,
                  std::uint64_t seed, std::size_t most_states = 4000);

}  // namespace stagecraft::test
