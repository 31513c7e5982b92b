// Accepts connections for a protocol that trusts its clients. A peer must send its handshake
// (handshake.h) within a few seconds before its socket is handed to that protocol. A foreign client
// costs a few hundred bytes for that time and delays no peer.
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
  std::chrono::milliseconds patience{5000};     // for the whole handshake
  std::size_t pending_connections = 64;         // at most; one more drops the oldest
};

class HandshakeListener {
 public:
  /// Called by the listener's thread. The handshake has been read from the connection and answered.
  using Admit = std::function<void(Socket socket, std::int32_t rank)>;

  /// Starts to listen.
  HandshakeListener(const HandshakeListenerOptions& options, Admit admit);
  /// Stops listening and drops the pending connections. `admit` is not called after it returns.
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
