// The first of SIGINT, SIGTERM and SIGUSR1 asks the run to stop after its step, the second ends the
// process. mpirun forwards SIGUSR1 to its processes, and ends them by SIGTERM.
#pragma once

#include "stages/board/progress_slot.h"

namespace stagecraft {

/// From now on the first signal is remembered and announced, and a second one ends the process at
/// once with 128 + its number.
void watch_stop_signals();

bool stop_signalled();

/// SIGTERM, which mpirun sends to the others when one has failed, now ends the process at once, and
/// notes in `slot`, if there is one, that it was sent home. `slot` lives as long as the process.
void end_on_termination(ProgressSlot* slot);

}  // namespace stagecraft
