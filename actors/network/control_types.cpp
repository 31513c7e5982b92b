#include "actors/network/control_types.h"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include "actors/protocol/messages.h"

namespace stagecraft {
namespace {

/// An inspector that finds the type name of a message.
struct NameSeeker {
  using result_type = caf::error;
  template <class... Ts>
  caf::error operator()(caf::meta::type_name_t name, Ts&&...) {
    found = name.value;
    return caf::none;
  }
  std::string found;
};

template <class Message>
std::string name_of() {
  NameSeeker seeker;
  Message message{};
  inspect(seeker, message);
  return seeker.found;
}

template <class... Messages>
void add_types(caf::actor_system_config& config, MessageList<Messages...>) {
  (config.add_message_type<Messages>(name_of<Messages>()), ...);
  // For Connect: CAF adds the vector of a registered type, but not the vectors of its own types.
  config.add_message_type<std::vector<caf::strong_actor_ptr>>("ActorVector");
}

}  // namespace

void configure_control(caf::actor_system_config& config) {
  config.load<caf::io::middleman>();
  // The network thread deserialises messages itself: handing them to workers costs more.
  config.set("middleman.workers", std::size_t{0});
  config.set("middleman.heartbeat-interval", caf::timespan{0});
  // Automatic connections would listen on a port of CAF's own, without a handshake listener.
  config.set("middleman.enable-automatic-connections", false);
  add_types(config, AllMessages{});
}

}  // namespace stagecraft
