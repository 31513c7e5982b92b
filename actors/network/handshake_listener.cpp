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

struct Guest {
  Socket socket;
  Deadline deadline;
  HelloBytes bytes{};
  std::size_t received = 0;
};

enum class Heard : std::uint8_t { more, hello, nothing };

/// Takes what has come, at most the rest of the hello: what follows belongs to the protocol behind.
Heard hear(Guest& guest) {
  const ssize_t count = ::recv(guest.socket.get(), guest.bytes.data() + guest.received,
                               kHelloBytes - guest.received, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return Heard::more;
  }
  if (count <= 0) {
    return Heard::nothing;
  }
  guest.received += static_cast<std::size_t>(count);
  if (!begins_hello(std::span(guest.bytes).first(guest.received))) {
    return Heard::nothing;
  }
  return guest.received == kHelloBytes ? Heard::hello : Heard::more;
}

}  // namespace

struct Gate::Impl {
  Impl(const GateOptions& gate_options, Admit to_admit)
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
  void answer(Guest& guest);
  Admission judge(const Hello& hello) const;

  GateOptions options;
  Admit admit;
  Socket listener;
  std::string address;
  Socket wake;
  std::vector<Guest> guests;   // oldest first
  std::vector<pollfd> polled;  // wake, listener, guests
  Deadline deaf_until{};       // nobody is accepted before
  std::thread thread;          // last: it uses all above
};

Gate::Gate(const GateOptions& options, Admit admit)
    : impl_(std::make_unique<Impl>(options, std::move(admit))) {}

Gate::~Gate() = default;

const std::string& Gate::address() const { return impl_->address; }

void Gate::Impl::run() {
  while (true) {
    wait();
    if (polled[0].revents != 0) {
      return;
    }
    hear_guests();
    accept_guests();
  }
}

int Gate::Impl::milliseconds_to_wait() const {
  constexpr int kForEver = -1;
  int wait_ms = guests.empty() ? kForEver : milliseconds_left(guests.front().deadline);
  if (const int deaf = milliseconds_left(deaf_until); deaf > 0) {
    wait_ms = wait_ms < 0 ? deaf : std::min(wait_ms, deaf);
  }
  return wait_ms;
}

void Gate::Impl::wait() {
  const bool deaf = milliseconds_left(deaf_until) > 0;
  polled = {{wake.get(), POLLIN, 0}, {deaf ? -1 : listener.get(), POLLIN, 0}};
  for (const Guest& guest : guests) {
    polled.push_back({guest.socket.get(), POLLIN, 0});
  }
  if (::poll(polled.data(), polled.size(), milliseconds_to_wait()) < 0) {
    for (pollfd& each : polled) {
      each.revents = 0;  // a signal: look again
    }
  }
}

void Gate::Impl::hear_guests() {
  constexpr std::size_t kFirstGuest = 2;
  const Deadline now = Clock::now();
  for (std::size_t i = 0; i < guests.size(); ++i) {
    Guest& guest = guests[i];
    const Heard heard = polled[kFirstGuest + i].revents != 0 ? hear(guest) : Heard::more;
    if (heard == Heard::hello) {
      answer(guest);
    }
    if (heard != Heard::more || guest.deadline <= now) {
      guest.socket.reset();
    }
  }
  std::erase_if(guests, [](const Guest& guest) { return !guest.socket; });
}

void Gate::Impl::accept_guests() {
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
    if (guests.size() == options.guests) {
      guests.erase(guests.begin());
    }
    guests.push_back({std::move(socket), Clock::now() + options.patience, {}, 0});
  }
}

Admission Gate::Impl::judge(const Hello& hello) const {
  if (hello.version != options.version) {
    return Admission::other_version;
  }
  return same_secret(hello.secret, options.secret) ? Admission::admitted : Admission::other_run;
}

/// An answer always fits into the empty buffer of a new connection.
void Gate::Impl::answer(Guest& guest) {
  const Hello hello = decode_hello(guest.bytes);
  const Admission verdict = judge(hello);
  const AnswerBytes bytes = encode(Answer{options.version, verdict});
  const ssize_t sent = ::send(guest.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (verdict == Admission::admitted && sent == static_cast<ssize_t>(bytes.size())) {
    admit(std::move(guest.socket), hello.rank);
  }
}

}  // namespace stagecraft
