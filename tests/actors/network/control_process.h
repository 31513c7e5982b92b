// Stands for one process of a run in a test: an actor system of its own, its end of the control
// network, and a stage that records what it receives.
#pragma once

#include <caf/all.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "actors/network/control_network.h"
#include "actors/network/control_types.h"
#include "actors/network/socket.h"
#include "tests/actors/driver/recording_actors.h"

namespace stagecraft::test {

struct ControlConfig : caf::actor_system_config {
  ControlConfig() {
    set("scheduler.max-threads", 1);
    set("scheduler.policy", caf::atom("sharing"));
    set("logger.verbosity", caf::atom("quiet"));
    configure_control(*this);
  }
};

/// The secret of the one run of this test program.
inline const std::string kRunSecret = new_secret();

inline ControlOptions options_of(int rank) {
  ControlOptions options;
  options.secret = kRunSecret;
  options.rank = rank;
  options.deadline_seconds = 10;
  return options;
}

inline Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

class ControlProcess {
 public:
  explicit ControlProcess(ControlOptions options)
      : system(config),
        received(std::make_shared<Received>()),
        network(std::make_unique<ControlNetwork>(system, options)),
        stage(system.spawn(recording_stage, received)) {}
  ~ControlProcess() {
    caf::anon_send_exit(stage, caf::exit_reason::user_shutdown);
    network.reset();
  }
  ControlProcess(const ControlProcess&) = delete;
  ControlProcess& operator=(const ControlProcess&) = delete;

  ControlConfig config;
  caf::actor_system system;
  ReceivedPtr received;
  std::unique_ptr<ControlNetwork> network;
  StageActor stage;
};

}  // namespace stagecraft::test
