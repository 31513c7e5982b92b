// The connecting side of the handshake.
#pragma once

#include <string>

#include "actors/network/handshake.h"
#include "actors/network/socket.h"

namespace stagecraft {

/// Connects, sends `handshake`, and returns the connection when it was admitted. Tries again when
/// the listener closes the connection without an answer, which happens when it has too many pending
/// connections. Throws Error with the endpoint and the reason.
Socket connect_with_handshake(const std::string& endpoint, const Handshake& handshake,
                              Deadline deadline);

}  // namespace stagecraft
