// Which chain of instructions the step's length follows from.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/explain/wait_index.h"

namespace stagecraft {

/// A part of the critical path.
struct PathPiece {
  enum class Kind : std::uint8_t { instruction, transfer, driver, engine } kind = Kind::instruction;
  int rank = 0;
  Instruction instruction = {};  // that ran; of a transfer the receive
  double begin = 0;
  double end = 0;
};

/// From the step's end back to its begin: what ended last before an action could fire is why it did
/// not fire earlier.
std::vector<PathPiece> critical_path(const WaitIndex& waits, double duration);

}  // namespace stagecraft
