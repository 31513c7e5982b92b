#include "actors/network/control_network.h"

#include <sys/random.h>

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>

#include "actors/network/handshake_client.h"
#include "actors/network/handshake_listener.h"
#include "actors/network/peer_exchange.h"
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

std::string control_version() { return STAGECRAFT_VERSION ", control 4"; }

std::string new_secret() {
  std::string secret(kSecretBytes, '\0');
  // getrandom returns so few bytes completely or fails.
  require(::getrandom(secret.data(), secret.size(), 0) == static_cast<ssize_t>(secret.size()),
          "control", "getrandom failed with errno {}", errno);
  return secret;
}

/// CAF owns a connection from the end of the handshake on. Its BASP broker, the actor that
/// implements CAF's protocol, takes connected sockets of either side.
struct ControlNetwork::Impl {
  Impl(caf::actor_system& the_system, const ControlOptions& the_options)
      : system(the_system), options(the_options) {
    require(system.has_middleman(), "control", "the actor system has no network layer");
    broker = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
    exchange = system.spawn<caf::hidden>(peer_exchange, peers);
  }
  ~Impl() {
    peers->forget();  // the exchange actor itself ends some time later
    caf::anon_send_exit(exchange, caf::exit_reason::kill);
  }

  caf::io::scribe_ptr scribe(Socket socket) {
    return system.middleman().backend().new_scribe(socket.release());
  }

  void accept(Socket socket, std::uint16_t port);
  StageActor dial(const std::string& address, Deadline deadline);
  PeerExchange connect_brokers(Socket socket, const std::string& address, Deadline deadline);
  StageActor introduce(const PeerExchange& peer, const std::string& address, Deadline deadline);

  caf::actor_system& system;
  ControlOptions options;
  std::shared_ptr<ConnectedPeers> peers = std::make_shared<ConnectedPeers>();
  caf::actor broker;
  PeerExchange exchange;
  std::unique_ptr<HandshakeListener> listener;
};

/// Called by the listener's thread: the broker tells the admitted peer the exchange actor's handle.
void ControlNetwork::Impl::accept(Socket socket, std::uint16_t port) {
  caf::anon_send(broker, caf::publish_atom::value, scribe(std::move(socket)), port,
                 caf::actor_cast<caf::strong_actor_ptr>(exchange),
                 system.message_types<PeerExchange>());
}

StageActor ControlNetwork::Impl::dial(const std::string& address, Deadline deadline) {
  const Handshake handshake{
      .version = options.version, .rank = options.rank, .secret = options.secret};
  Socket socket = connect_with_handshake(address, handshake, deadline);
  return introduce(connect_brokers(std::move(socket), address, deadline), address, deadline);
}

/// CAF's own handshake: the other broker sends its node and the actor that it publishes.
PeerExchange ControlNetwork::Impl::connect_brokers(Socket socket, const std::string& address,
                                                   Deadline deadline) {
  const caf::scoped_actor self(system, true);
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
  require(!reason, address, "accepted the handshake, then failed: {}", system.render(reason));
  require(actor != nullptr && system.assignable<PeerExchange>(interface), address,
          "publishes no actor of this protocol");
  return caf::actor_cast<PeerExchange>(actor);
}

StageActor ControlNetwork::Impl::introduce(const PeerExchange& peer, const std::string& address,
                                           Deadline deadline) {
  const caf::scoped_actor self(system, true);
  caf::strong_actor_ptr stage;
  caf::error reason;
  self->request(peer, std::chrono::milliseconds(milliseconds_left(deadline)), ConnectAtom::value,
                std::int32_t{options.rank}, caf::actor_cast<caf::strong_actor_ptr>(peers->own()))
      .receive([&](caf::strong_actor_ptr& found) { stage = std::move(found); },
               [&](caf::error& error) { reason = std::move(error); });
  require(!reason, address, "accepted the handshake, then failed: {}", system.render(reason));
  require(stage != nullptr, address, "has no stage");
  return caf::actor_cast<StageActor>(stage);
}

ControlNetwork::ControlNetwork(caf::actor_system& system, const ControlOptions& options)
    : impl_(std::make_unique<Impl>(system, options)) {}

ControlNetwork::~ControlNetwork() { close(); }

std::string ControlNetwork::open(const StageActor& stage) {
  require(impl_->listener == nullptr, "control", "rank {} is already listening",
          impl_->options.rank);
  impl_->peers->open(stage);
  const HandshakeListenerOptions options{.interface_address = impl_->options.interface_address,
                                         .version = impl_->options.version,
                                         .secret = impl_->options.secret};
  impl_->listener =
      std::make_unique<HandshakeListener>(options, [impl = impl_.get()](Socket socket, int) {
        const int port = port_of(local_endpoint(socket));
        impl->accept(std::move(socket), static_cast<std::uint16_t>(port));
      });
  return impl_->listener->address();
}

StageActor ControlNetwork::connect(const std::string& address, int peer) {
  const ControlOptions& options = impl_->options;
  const Deadline deadline = after_seconds(options.deadline_seconds);
  if (peer == options.rank) {
    StageActor own = impl_->peers->own();
    require(own != nullptr, "control", "rank {} is not listening", peer);
    return own;
  }
  try {
    if (options.rank < peer) {
      return impl_->dial(address, deadline);
    }
    const auto stage = impl_->peers->find(peer, deadline);
    require(stage.has_value(), address, "has not connected within {} s", options.deadline_seconds);
    return *stage;
  } catch (const Error& error) {
    throw Error("control", fmt::format("rank {} cannot connect to rank {}: {}", options.rank, peer,
                                       error.what()));
  }
}

void ControlNetwork::close() {
  if (impl_->listener == nullptr) {
    return;
  }
  const int port = port_of(impl_->listener->address());
  impl_->listener.reset();
  // Do not wait for an answer: the broker may have ended.
  caf::anon_send(impl_->broker, caf::unpublish_atom::value, impl_->exchange.address(),
                 static_cast<std::uint16_t>(port));
}

}  // namespace stagecraft
