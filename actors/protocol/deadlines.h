// Deadlines that actors of one run share.
#pragma once

#include <chrono>

namespace stagecraft {

/// How long an actor or a process may take to end after the run has failed. Then it is given up and
/// the process that waits for it ends.
inline constexpr std::chrono::seconds kEndDeadline{4};

}  // namespace stagecraft
