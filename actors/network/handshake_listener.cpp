#include "actors/network/handshake_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Clock = std::chrono::steady_clock;

/// Accepted in one round: a crowd of strangers cannot push out a guest before it was heard.
constexpr int kAcceptedAtOnce = 16;
/// After accept fails, for want of descriptors for instance.
constexpr std::chrono::milliseconds kAcceptPause{100};

struct PendingConnection {
  Socket socket;
  Deadline deadline;
  HandshakeBytes bytes{};
  std::size_t received = 0;
};

enum class Heard : std::uint8_t { more, handshake, nothing };

/// Takes what has come, at most the rest of the hello: what follows belongs to the protocol behind.
Heard hear(PendingConnection& connection) {
  const ssize_t count =
      ::recv(connection.socket.get(), connection.bytes.data() + connection.received,
             kHandshakeBytes - connection.received, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return Heard::more;
  }
  if (count <= 0) {
    return Heard::nothing;
  }
  connection.received += static_cast<std::size_t>(count);
  if (!begins_handshake(std::span(connection.bytes).first(connection.received))) {
    return Heard::nothing;
  }
  return connection.received == kHandshakeBytes ? Heard::handshake : Heard::more;
}

}  // namespace

struct HandshakeListener::Impl {
  Impl(const HandshakeListenerOptions& gate_options, Admit to_admit)
      : options(gate_options),
        admit(std::move(to_admit)),
        listener(listen_on(options.interface_address)),
        address(local_endpoint(listener)),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    require(static_cast<bool>(wake), "gate", "no eventfd, errno {}", errno);
    thread = std::thread([this] { run(); });
  }

  ~Impl() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake.get(), &one, sizeof one));
    thread.join();
  }

  void run();
  int milliseconds_to_wait() const;
  void wait();
  void hear_guests();
  void accept_guests();
  void answer(PendingConnection& connection);
  HandshakeVerdict judge(const Handshake& handshake) const;

  HandshakeListenerOptions options;
  Admit admit;
  Socket listener;
  std::string address;
  Socket wake;
  std::vector<PendingConnection> pending_connections;  // oldest first
  std::vector<pollfd> polled;                          // wake, listener, guests
  Deadline deaf_until{};                               // nobody is accepted before
  std::thread thread;                                  // last: it uses all above
};

HandshakeListener::HandshakeListener(const HandshakeListenerOptions& options, Admit admit)
    : impl_(std::make_unique<Impl>(options, std::move(admit))) {}

HandshakeListener::~HandshakeListener() = default;

const std::string& HandshakeListener::address() const { return impl_->address; }

void HandshakeListener::Impl::run() {
  while (true) {
    wait();
    if (polled[0].revents != 0) {
      return;
    }
    hear_guests();
    accept_guests();
  }
}

int HandshakeListener::Impl::milliseconds_to_wait() const {
  constexpr int kForEver = -1;
  int wait_ms = pending_connections.empty()
                    ? kForEver
                    : milliseconds_left(pending_connections.front().deadline);
  if (const int deaf = milliseconds_left(deaf_until); deaf > 0) {
    wait_ms = wait_ms < 0 ? deaf : std::min(wait_ms, deaf);
  }
  return wait_ms;
}

void HandshakeListener::Impl::wait() {
  const bool deaf = milliseconds_left(deaf_until) > 0;
  polled = {{wake.get(), POLLIN, 0}, {deaf ? -1 : listener.get(), POLLIN, 0}};
  for (const PendingConnection& connection : pending_connections) {
    polled.push_back({connection.socket.get(), POLLIN, 0});
  }
  if (::poll(polled.data(), polled.size(), milliseconds_to_wait()) < 0) {
    for (pollfd& each : polled) {
      each.revents = 0;  // a signal: look again
    }
  }
}

void HandshakeListener::Impl::hear_guests() {
  constexpr std::size_t kFirstGuest = 2;
  const Deadline now = Clock::now();
  for (std::size_t i = 0; i < pending_connections.size(); ++i) {
    PendingConnection& connection = pending_connections[i];
    const Heard heard = polled[kFirstGuest + i].revents != 0 ? hear(connection) : Heard::more;
    if (heard == Heard::handshake) {
      answer(connection);
    }
    if (heard != Heard::more || connection.deadline <= now) {
      connection.socket.reset();
    }
  }
  std::erase_if(pending_connections,
                [](const PendingConnection& connection) { return !connection.socket; });
}

void HandshakeListener::Impl::accept_guests() {
  if (polled[1].revents == 0) {
    return;
  }
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    Socket socket = accept_from(listener);
    if (!socket) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
        deaf_until = Clock::now() + kAcceptPause;
      }
      return;
    }
    if (pending_connections.size() == options.pending_connections) {
      pending_connections.erase(pending_connections.begin());
    }
    pending_connections.push_back({std::move(socket), Clock::now() + options.patience, {}, 0});
  }
}

HandshakeVerdict HandshakeListener::Impl::judge(const Handshake& handshake) const {
  if (handshake.version != options.version) {
    return HandshakeVerdict::other_version;
  }
  return same_secret(handshake.secret, options.secret) ? HandshakeVerdict::admitted
                                                       : HandshakeVerdict::other_run;
}

/// An answer always fits into the empty buffer of a new connection.
void HandshakeListener::Impl::answer(PendingConnection& connection) {
  const Handshake handshake = decode_handshake(connection.bytes);
  const HandshakeVerdict verdict = judge(handshake);
  const AnswerBytes bytes = encode(Answer{options.version, verdict});
  const ssize_t sent = ::send(connection.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (verdict == HandshakeVerdict::admitted && sent == static_cast<ssize_t>(bytes.size())) {
    admit(std::move(connection.socket), handshake.rank);
  }
}

}  // namespace stagecraft
