// Control between the processes of a run, by CAF's network layer behind a gate. CAF 0.17 by itself
// trusts whoever connects, and allocates what a stranger's header announces; so a peer has to
// present the run's secret and the version before its socket is handed to CAF.
#pragma once

#include <caf/actor_system.hpp>
#include <memory>
#include <string>

#include "actors/network/handshake.h"
#include "actors/protocol/messages.h"

namespace stagecraft {

/// Of program and protocol: "0.1.0, control 1". Both ends of a connection have the same.
std::string control_version();

struct ControlOptions {
  std::string interface_address = "127.0.0.1";  // numeric; what the gate listens on
  std::string secret;                           // of the run, kSecretBytes random bytes
  int rank = 0;
  double deadline_seconds = 30;  // for each connection's set-up
  std::string version = control_version();
};

/// From the system's random source.
std::string new_secret();

/// One process's end. Made after its actor system and gone before it.
class ControlNetwork {
 public:
  ControlNetwork(caf::actor_system& system, const ControlOptions& options);
  ~ControlNetwork();
  ControlNetwork(const ControlNetwork&) = delete;
  ControlNetwork& operator=(const ControlNetwork&) = delete;

  /// Opens the gate on a free port; whoever comes through gets `stage`. Returns "ADDRESS:PORT".
  std::string open(const StageActor& stage);
  /// The stage behind `address`, which is rank `peer`'s. Blocks until it is there; throws Error
  /// naming the rank, the address and the reason: nobody there, the deadline, another version,
  /// another run. Called by one thread at a time.
  ///
  /// A pair of ranks has one connection, which gives both of them the other's stage, because CAF
  /// loses messages when two processes connect to each other at the same time. The lower rank makes
  /// it; the higher one's connect waits for it. So the lower rank must connect too, in whatever
  /// order, having opened its own gate before; the higher one need not. One's own rank is answered
  /// at once.
  StageActor connect(const std::string& address, int peer);
  /// All ranks have connected: stops listening. Connections stay.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stagecraft
