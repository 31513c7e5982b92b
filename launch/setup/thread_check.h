// The threads of a run, checked before anything of it exists: a run that got only some of them
// could neither compute nor end.
#pragma once

#include "launch/setup/resolve.h"

namespace stagecraft {

/// An upper bound of the threads of one process of the run, besides its first.
int threads_of_process(const ResolvedRun& run);

/// Throws ConfigError with the limits to raise and the keys to lower when the system does not grant
/// this process the threads that it needs.
void check_threads(const ResolvedRun& run);
/// The same for all processes of the run together, when they are on this host.
void check_threads_of_processes(const ResolvedRun& run);

}  // namespace stagecraft
