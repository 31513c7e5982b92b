#include "actors/network/handshake_client.h"

#include <thread>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::chrono::milliseconds kBeforeNextTry{20};

/// One attempt. Returns an empty socket when the connection was closed without an answer.
Socket try_handshake(const std::string& endpoint, const Handshake& handshake, Deadline deadline) {
  Socket socket = connect_to(endpoint, deadline);
  const HandshakeBytes said = encode(handshake);
  AnswerBytes bytes{};
  if (!send_exactly(socket, said, endpoint, deadline) ||
      !receive_exactly(socket, bytes, endpoint, deadline)) {
    return {};
  }
  const Answer answer = decode_answer(bytes, endpoint);
  require(answer.verdict != HandshakeVerdict::other_version, endpoint,
          R"(has version "{}", this program has "{}")", answer.version, handshake.version);
  require(answer.verdict == HandshakeVerdict::admitted, endpoint, "belongs to another run");
  return socket;
}

}  // namespace

Socket connect_with_handshake(const std::string& endpoint, const Handshake& handshake,
                              Deadline deadline) {
  while (true) {
    if (Socket socket = try_handshake(endpoint, handshake, deadline)) {
      return socket;
    }
    require(milliseconds_left(deadline) > kBeforeNextTry.count(), endpoint,
            "closes every connection without an answer");
    std::this_thread::sleep_for(kBeforeNextTry);
  }
}

}  // namespace stagecraft
