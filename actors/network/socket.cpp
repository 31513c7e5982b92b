#include "actors/network/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>
#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// Enough for the peers of a run that connect at the same time. Foreign clients cannot make the
/// kernel queue more.
constexpr int kBacklog = 128;

using AddressPtr = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

[[noreturn]] void fail(const std::string& endpoint, std::string_view action, int code) {
  throw Error(endpoint, fmt::format("{}: {}", action, std::generic_category().message(code)));
}

AddressPtr resolve(const std::string& address, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;  // a name may resolve to another machine later
  addrinfo* found = nullptr;
  require(::getaddrinfo(address.c_str(), port.c_str(), &hints, &found) == 0, address,
          "is not a numeric address (port {})", port);
  return {found, &::freeaddrinfo};
}

AddressPtr resolve_endpoint(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  require(colon != std::string::npos, endpoint, "is not ADDRESS:PORT");
  std::string address = endpoint.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  return resolve(address, endpoint.substr(colon + 1));
}

bool is_any(const addrinfo& address) {
  if (address.ai_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(address.ai_addr)->sin_addr.s_addr == INADDR_ANY;
  }
  return IN6_IS_ADDR_UNSPECIFIED(
      &reinterpret_cast<const sockaddr_in6*>(address.ai_addr)->sin6_addr);
}

Socket stream_socket(const addrinfo& address, const std::string& endpoint) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    fail(endpoint, "cannot make a socket", errno);
  }
  return socket;
}

void without_delay(const Socket& socket) {
  const int on = 1;
  static_cast<void>(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

void wait_for(const Socket& socket, short events, const std::string& endpoint, Deadline deadline) {
  pollfd polled{socket.get(), events, 0};
  int ready = 0;
  do {
    const int left = milliseconds_left(deadline);
    require(left > 0, endpoint, "did not answer before the deadline");
    ready = ::poll(&polled, 1, left);
  } while (ready == 0 || (ready < 0 && errno == EINTR));
  if (ready < 0) {
    fail(endpoint, "cannot wait", errno);
  }
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    reset();
    descriptor_ = other.release();
  }
  return *this;
}

int Socket::release() { return std::exchange(descriptor_, -1); }

void Socket::reset() {
  if (descriptor_ >= 0) {
    ::close(release());
  }
}

Socket listen_on(const std::string& interface_address) {
  const AddressPtr address = resolve(interface_address, "0");
  require(!is_any(*address), interface_address, "means every interface; name one");
  Socket socket = stream_socket(*address, interface_address);
  if (::bind(socket.get(), address->ai_addr, address->ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    fail(interface_address, "cannot listen", errno);
  }
  return socket;
}

Socket accept_from(const Socket& listener) {
  Socket socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) {
    without_delay(socket);
  }
  return socket;
}

std::string local_endpoint(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  require(::getsockname(socket.get(), plain, &size) == 0 &&
              ::getnameinfo(plain, size, host, sizeof host, port, sizeof port,
                            NI_NUMERICHOST | NI_NUMERICSERV) == 0,
          "socket", "descriptor {} has no address", socket.get());
  return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                       : fmt::format("{}:{}", host, port);
}

int port_of(const std::string& endpoint) {
  return std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
}

Socket connect_to(const std::string& endpoint, Deadline deadline) {
  const AddressPtr address = resolve_endpoint(endpoint);
  Socket socket = stream_socket(*address, endpoint);
  without_delay(socket);
  if (::connect(socket.get(), address->ai_addr, address->ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) {
      fail(endpoint, "cannot connect", errno);
    }
    wait_for(socket, POLLOUT, endpoint, deadline);
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) {
      fail(endpoint, "cannot connect", code);
    }
  }
  return socket;
}

bool send_exactly(const Socket& socket, std::span<const std::byte> bytes,
                  const std::string& endpoint, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (would_block()) {
      wait_for(socket, POLLOUT, endpoint, deadline);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return false;
    } else {
      fail(endpoint, "cannot send", errno);
    }
  }
  return true;
}

bool receive_exactly(const Socket& socket, std::span<std::byte> bytes, const std::string& endpoint,
                     Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t received = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (received > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(received));
    } else if (received == 0 || errno == ECONNRESET) {
      return false;
    } else if (would_block()) {
      wait_for(socket, POLLIN, endpoint, deadline);
    } else {
      fail(endpoint, "cannot receive", errno);
    }
  }
  return true;
}

int milliseconds_left(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace stagecraft
