// SIGINT and SIGTERM: the first asks the run to stop after its step, the second ends the process.
#pragma once

namespace stagecraft {

/// From now on the first signal is remembered and announced, and a second one ends the process at
/// once with 128 + its number.
void watch_stop_signals();

bool stop_signalled();

}  // namespace stagecraft
