// What would be one process of a run, in a test: an actor system of its own, its end of the control
// network, and a stage that notes what it receives.
#pragma once

#include <caf/all.hpp>
#include <memory>

#include "actors/control_network.h"
#include "tests/actors/noting_actors.h"

namespace stagecraft::test {

struct ControlConfig : caf::actor_system_config {
  ControlConfig() {
    set("scheduler.max-threads", 1);
    set("scheduler.policy", caf::atom("sharing"));
    set("logger.verbosity", caf::atom("quiet"));
    configure_control(*this);
  }
};

class ControlProcess {
 public:
  explicit ControlProcess(ControlOptions options)
      : system(config),
        received(std::make_shared<Received>()),
        network(std::make_unique<ControlNetwork>(system, options)),
        stage(system.spawn(noting_stage, received)) {}
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
