// What CAF has to know before messages can cross processes.
#pragma once

#include <caf/actor_system_config.hpp>

namespace stagecraft {

/// Loads CAF's network layer into `config`, with heartbeats off (the progress board has them), as
/// few threads as it can have, and every message type registered.
void configure_control(caf::actor_system_config& config);

}  // namespace stagecraft
