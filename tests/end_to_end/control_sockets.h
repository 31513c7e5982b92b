// This process's control connections to other ranks, found without CAF.
#pragma once

namespace stagecraft::test {

/// Shuts down both directions of them, like a failing network; the process continues. Returns their
/// number.
int shut_down_control_sockets();

}  // namespace stagecraft::test
