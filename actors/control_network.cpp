#include "actors/control_network.h"

#include <sys/random.h>

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>

#include "actors/gate.h"
#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Interface = std::set<std::string>;

Deadline after_seconds(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::duration<double>(seconds));
}

}  // namespace

std::string control_version() { return STAGECRAFT_VERSION ", control 1"; }

std::string new_secret() {
  std::string secret(kSecretBytes, '\0');
  // So few bytes come whole or not at all.
  require(::getrandom(secret.data(), secret.size(), 0) == static_cast<ssize_t>(secret.size()),
          "control", "the system gives no random bytes, errno {}", errno);
  return secret;
}

/// Connections are CAF's own from the moment that they are through the gate: its BASP broker, the
/// actor that speaks CAF's protocol, takes connected sockets of either side.
struct ControlNetwork::Impl {
  Impl(caf::actor_system& the_system, const ControlOptions& the_options)
      : system(the_system), options(the_options) {
    require(system.has_middleman(), "control", "the actor system has no network layer");
    broker = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  }

  caf::io::scribe_ptr scribe(Socket socket) {
    return system.middleman().backend().new_scribe(socket.release());
  }

  /// From the gate's thread: the broker introduces itself, and the stage, to whoever came through.
  void welcome(Socket socket, const caf::strong_actor_ptr& offered, std::uint16_t port) {
    caf::anon_send(broker, caf::publish_atom::value, scribe(std::move(socket)), port, offered,
                   system.message_types<StageActor>());
  }

  StageActor introduce(Socket socket, const std::string& address, Deadline deadline);

  caf::actor_system& system;
  ControlOptions options;
  caf::actor broker;
  StageActor stage;
  std::unique_ptr<Gate> gate;
};

/// CAF's handshake: the other broker tells who it is and which actor it offers.
StageActor ControlNetwork::Impl::introduce(Socket socket, const std::string& address,
                                           Deadline deadline) {
  caf::scoped_actor self(system, true);
  caf::strong_actor_ptr actor;
  Interface interface;
  caf::error reason;
  self->request(broker, std::chrono::milliseconds(milliseconds_left(deadline)),
                caf::connect_atom::value, scribe(std::move(socket)),
                static_cast<std::uint16_t>(port_of(address)))
      .receive(
          [&](caf::node_id&, caf::strong_actor_ptr& found, Interface& its_interface) {
            actor = std::move(found);
            interface = std::move(its_interface);
          },
          [&](caf::error& error) { reason = std::move(error); });
  require(!reason, address, "let this process in, then: {}", system.render(reason));
  require(actor != nullptr && system.assignable<StageActor>(interface), address,
          "offers no stage actor of this protocol");
  return caf::actor_cast<StageActor>(actor);
}

ControlNetwork::ControlNetwork(caf::actor_system& system, const ControlOptions& options)
    : impl_(std::make_unique<Impl>(system, options)) {}

ControlNetwork::~ControlNetwork() { close(); }

std::string ControlNetwork::open(const StageActor& stage) {
  require(impl_->gate == nullptr, "control", "rank {} has its gate open", impl_->options.rank);
  impl_->stage = stage;
  const GateOptions options{.interface_address = impl_->options.interface_address,
                            .version = impl_->options.version,
                            .secret = impl_->options.secret};
  auto actor = caf::actor_cast<caf::strong_actor_ptr>(stage);
  impl_->gate = std::make_unique<Gate>(options, [impl = impl_.get(), actor](Socket socket, int) {
    const int port = port_of(local_endpoint(socket));
    impl->welcome(std::move(socket), actor, static_cast<std::uint16_t>(port));
  });
  return impl_->gate->address();
}

StageActor ControlNetwork::connect(const std::string& address, int peer) {
  const ControlOptions& options = impl_->options;
  const Deadline deadline = after_seconds(options.deadline_seconds);
  try {
    Socket socket = enter_gate(
        address, {.version = options.version, .rank = options.rank, .secret = options.secret},
        deadline);
    return impl_->introduce(std::move(socket), address, deadline);
  } catch (const Error& error) {
    throw Error("control", fmt::format("rank {} cannot connect to rank {}: {}", options.rank, peer,
                                       error.what()));
  }
}

void ControlNetwork::close() {
  if (impl_->gate == nullptr) {
    return;
  }
  const int port = port_of(impl_->gate->address());
  impl_->gate.reset();
  // A published actor would keep its system alive. No answer is awaited: the broker may have gone.
  caf::anon_send(impl_->broker, caf::unpublish_atom::value, impl_->stage.address(),
                 static_cast<std::uint16_t>(port));
  impl_->stage = nullptr;
}

}  // namespace stagecraft
