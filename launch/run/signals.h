// The first SIGINT, SIGTERM or SIGUSR1 makes the run stop after its current step; the second ends
// the process. mpirun forwards SIGUSR1 to its processes and ends them with SIGTERM.
#pragma once

#include "stages/board/progress_slot.h"

namespace stagecraft {

/// Installs the handlers: the first signal is recorded and announced on stderr, the second ends the
/// process at once with status 128 + its number.
void watch_stop_signals();

bool stop_signalled();

/// From now on SIGTERM ends the process at once and records in `slot`, unless it is null, that the
/// rank was dismissed: mpirun sends SIGTERM to the other processes when one has failed. `slot` must
/// live as long as the process.
void end_on_termination(ProgressSlot* slot);

}  // namespace stagecraft
