// CAF's configuration for messages between processes.
#pragma once

#include <caf/actor_system_config.hpp>

namespace stagecraft {

/// Loads CAF's network layer into `config`, with heartbeats off (the progress board has its own),
/// with as few threads as possible, and registers every message type.
void configure_control(caf::actor_system_config& config);

}  // namespace stagecraft
