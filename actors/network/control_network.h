// Control messages between the processes of a run, over CAF's network layer. CAF 0.17 trusts every
// client that connects and allocates as many bytes as its header announces. Therefore a handshake
// listener accepts connections, and a peer must present the run's secret and the version before
// its socket is handed to CAF.
#pragma once

#include <caf/actor_system.hpp>
#include <memory>
#include <string>

#include "actors/network/handshake.h"
#include "actors/protocol/messages.h"

namespace stagecraft {

/// Version of program and protocol, "0.1.0, control 4". Both ends of a connection must have the
/// same.
std::string control_version();

struct ControlOptions {
  std::string interface_address = "127.0.0.1";  // numeric; the listener's address
  std::string secret;                           // of the run, kSecretBytes random bytes
  int rank = 0;
  double deadline_seconds = 30;  // for setting up one connection
  std::string version = control_version();
};

/// kSecretBytes bytes of the system's random source.
std::string new_secret();

/// One process's end of the control network. Constructed after the actor system and destroyed
/// before it.
class ControlNetwork {
 public:
  ControlNetwork(caf::actor_system& system, const ControlOptions& options);
  ~ControlNetwork();
  ControlNetwork(const ControlNetwork&) = delete;
  ControlNetwork& operator=(const ControlNetwork&) = delete;

  /// Listens on a free port. A peer that passes the handshake gets `stage`. Returns "ADDRESS:PORT".
  std::string open(const StageActor& stage);
  /// Returns the stage of rank `peer`, which listens at `address`. Blocks until it is connected.
  /// Throws Error with the rank, the address and the reason: no listener, the deadline, another
  /// version, another run. Called by one thread at a time.
  ///
  /// A pair of ranks shares one connection, which gives each the other's stage, because CAF loses
  /// messages when two processes connect to each other at the same time. The lower rank makes the
  /// connection, and connect() of the higher rank waits for it. Therefore the lower rank must call
  /// connect(), after open(), in any order of peers; the higher rank need not. For its own rank it
  /// returns at once.
  StageActor connect(const std::string& address, int peer);
  /// Stops listening. Connections stay. Called when all ranks have connected.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stagecraft
