// This process's control connections to other ranks, found from outside of CAF.
#pragma once

namespace stagecraft::test {

/// Shuts both directions of them down, as a network that fails would; the process goes on. Returns
/// how many there were.
int shut_down_control_sockets();

}  // namespace stagecraft::test
