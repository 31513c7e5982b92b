// Who comes to a run's gates and does not belong to it.
#pragma once

#include <string>
#include <vector>

#include "actors/network/socket.h"

namespace stagecraft::test {

/// One of each kind: says nothing, speaks HTTP, announces four gigabytes as CAF's header may, says
/// half a hello, or a whole one of another run or another version. Some are answered and sent away,
/// the others only hold their connection. Throws Error where nobody listens.
std::vector<Socket> send_strangers(const std::string& address);

}  // namespace stagecraft::test
