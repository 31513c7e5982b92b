// The gate before a protocol that trusts whoever speaks it. A peer has to say its hello
// (handshake.h) within a few seconds; only then is its socket handed on. A stranger costs some
// hundred bytes for that time, and delays nobody.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "actors/network/handshake.h"
#include "actors/network/socket.h"

namespace stagecraft {

struct HandshakeListenerOptions {
  std::string interface_address = "127.0.0.1";  // numeric
  std::string version = {};                     // of program and protocol
  std::string secret = {};                      // of the run, kSecretBytes
  std::chrono::milliseconds patience{5000};     // for the whole hello
  std::size_t pending_connections = 64;  // with an unfinished hello; one more sends the oldest away
};

class HandshakeListener {
 public:
  /// Called by the gate's thread with a connection on which everything was read and answered.
  using Admit = std::function<void(Socket socket, std::int32_t rank)>;

  /// Listens from now on.
  HandshakeListener(const HandshakeListenerOptions& options, Admit admit);
  /// Stops listening and drops the guests; `admit` is not called any more when it returns.
  ~HandshakeListener();
  HandshakeListener(const HandshakeListener&) = delete;
  HandshakeListener& operator=(const HandshakeListener&) = delete;

  /// "ADDRESS:PORT".
  const std::string& address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stagecraft
