// A copy of the state that a rank saves, in memory of the host, so that training goes on while it
// is written.
#pragma once

#include "models/parameters/parameter_state.h"

namespace stagecraft {

class StateSnapshot {
 public:
  virtual ~StateSnapshot() = default;
  /// Waits for the end of the copy, then hands over every piece in the order of
  /// StageWork::pieces(). From any one thread, while the work goes on.
  virtual void write(StateWriter& writer) = 0;
};

}  // namespace stagecraft
