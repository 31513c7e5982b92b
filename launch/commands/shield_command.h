// `stagecraft shield PROGRAM WORDS...`, which launch/train starts mpirun with.
#pragma once

#include <string>
#include <vector>

namespace stagecraft {

/// Becomes PROGRAM, in a session of its own and with SIGTERM and SIGHUP blocked: a signal to all
/// processes of a job then ends mpirun no more, which would take its ranks along. The system sends
/// PROGRAM a SIGINT when the process that has started this one is gone. Throws Error when PROGRAM
/// cannot be started.
[[noreturn]] void shield(std::vector<std::string> words);

}  // namespace stagecraft
