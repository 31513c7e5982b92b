// The side of the gate that asks to be let in.
#pragma once

#include <string>

#include "actors/network/handshake.h"
#include "actors/network/socket.h"

namespace stagecraft {

/// Connects, says `hello`, and returns the connection when it was admitted. Being
/// dropped without an answer, as happens in a crowd, it tries again. Throws Error naming the
/// endpoint and the reason.
Socket connect_with_handshake(const std::string& endpoint, const Handshake& handshake,
                              Deadline deadline);

}  // namespace stagecraft
