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

/// Accepted per round. The limit keeps many foreign clients from displacing a pending connection
/// before its bytes were read.
constexpr int kAcceptedAtOnce = 16;
/// Pause after accept has failed, for example because no descriptor is free.
constexpr std::chrono::milliseconds kAcceptPause{100};

struct PendingConnection {
  Socket socket;
  Deadline deadline;
  HandshakeBytes bytes{};
  std::size_t received = 0;
};

enum class ReadState : std::uint8_t { more, handshake, nothing };

/// Reads the bytes that have arrived, at most to the end of the handshake: the following bytes
/// belong to the next protocol.
ReadState read_some(PendingConnection& connection) {
  const ssize_t count =
      ::recv(connection.socket.get(), connection.bytes.data() + connection.received,
             kHandshakeBytes - connection.received, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return ReadState::more;
  }
  if (count <= 0) {
    return ReadState::nothing;
  }
  connection.received += static_cast<std::size_t>(count);
  if (!begins_handshake(std::span(connection.bytes).first(connection.received))) {
    return ReadState::nothing;
  }
  return connection.received == kHandshakeBytes ? ReadState::handshake : ReadState::more;
}

}  // namespace

struct HandshakeListener::Impl {
  Impl(const HandshakeListenerOptions& the_options, Admit to_admit)
      : options(the_options),
        admit(std::move(to_admit)),
        listener(listen_on(options.interface_address)),
        address(local_endpoint(listener)),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    require(static_cast<bool>(wake), "handshake listener", "eventfd failed with errno {}", errno);
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
  void read_pending();
  void accept_pending();
  void answer(PendingConnection& connection);
  HandshakeVerdict judge(const Handshake& handshake) const;

  HandshakeListenerOptions options;
  Admit admit;
  Socket listener;
  std::string address;
  Socket wake;
  std::vector<PendingConnection> pending_connections;  // oldest first
  std::vector<pollfd> polled;                          // wake, listener, pending connections
  Deadline accept_after{};                             // no connection is accepted before
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
    read_pending();
    accept_pending();
  }
}

int HandshakeListener::Impl::milliseconds_to_wait() const {
  constexpr int kForEver = -1;
  int wait_ms = pending_connections.empty()
                    ? kForEver
                    : milliseconds_left(pending_connections.front().deadline);
  if (const int paused = milliseconds_left(accept_after); paused > 0) {
    wait_ms = wait_ms < 0 ? paused : std::min(wait_ms, paused);
  }
  return wait_ms;
}

void HandshakeListener::Impl::wait() {
  const bool paused = milliseconds_left(accept_after) > 0;
  polled = {{wake.get(), POLLIN, 0}, {paused ? -1 : listener.get(), POLLIN, 0}};
  for (const PendingConnection& connection : pending_connections) {
    polled.push_back({connection.socket.get(), POLLIN, 0});
  }
  if (::poll(polled.data(), polled.size(), milliseconds_to_wait()) < 0) {
    for (pollfd& each : polled) {
      each.revents = 0;  // interrupted by a signal: poll again
    }
  }
}

void HandshakeListener::Impl::read_pending() {
  constexpr std::size_t kFirstPending = 2;
  const Deadline now = Clock::now();
  for (std::size_t i = 0; i < pending_connections.size(); ++i) {
    PendingConnection& connection = pending_connections[i];
    const ReadState state =
        polled[kFirstPending + i].revents != 0 ? read_some(connection) : ReadState::more;
    if (state == ReadState::handshake) {
      answer(connection);
    }
    if (state != ReadState::more || connection.deadline <= now) {
      connection.socket.reset();
    }
  }
  std::erase_if(pending_connections,
                [](const PendingConnection& connection) { return !connection.socket; });
}

void HandshakeListener::Impl::accept_pending() {
  if (polled[1].revents == 0) {
    return;
  }
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    Socket socket = accept_from(listener);
    if (!socket) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
        accept_after = Clock::now() + kAcceptPause;
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

/// One send is enough: an answer fits into the empty buffer of a new connection.
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
