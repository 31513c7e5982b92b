// Ends a process in which an actor may still run.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace stagecraft {

/// Flushes all output and ends the process without destructors, which would destroy data that
/// running threads still use.
[[noreturn]] inline void exit_now(int status) {
  std::fflush(nullptr);
  std::_Exit(status);
}

}  // namespace stagecraft
