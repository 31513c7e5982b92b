// The critical path: the chain of instructions that determines the length of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/explain/wait_index.h"

namespace stagecraft {

/// A part of the critical path.
struct PathPiece {
  enum class Kind : std::uint8_t {
    instruction,
    transfer,
    driver,
    overhead
  } kind = Kind::instruction;
  int rank = 0;
  Instruction instruction = {};  // the one that ran; for a transfer, the receive
  double begin = 0;
  double end = 0;
};

/// Follows the step from its end back to its beginning: from each action to the one that ended last
/// before it could fire, which is why it did not fire earlier.
std::vector<PathPiece> critical_path(const WaitIndex& waits, double duration);

}  // namespace stagecraft
