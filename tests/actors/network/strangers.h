// Foreign clients: they connect to a run's handshake listeners and do not belong to the run.
#pragma once

#include <string>
#include <vector>

#include "actors/network/socket.h"

namespace stagecraft::test {

/// Connects one client of each kind: sends nothing, sends HTTP, announces four gigabytes in CAF's
/// header, sends half a handshake, or a whole one of another run or another version. The last two
/// are answered and dropped; the others only keep their connections open. Throws Error where no
/// process listens.
std::vector<Socket> send_strangers(const std::string& address);

}  // namespace stagecraft::test
