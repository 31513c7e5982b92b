// TCP sockets at numeric addresses. Nothing here waits longer than its deadline, and no socket is
// inherited by another program. Errors are "[ADDRESS:PORT] what the system said".
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

namespace stagecraft {

using Deadline = std::chrono::steady_clock::time_point;

/// Owns a descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { reset(); }
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }
  /// The caller owns it now.
  int release();
  void reset();

 private:
  int descriptor_ = -1;
};

/// Listens on a free port of one interface, never of all; not blocking.
Socket listen_on(const std::string& interface_address);
/// The next client, not blocking and without Nagle's delay; none: errno says why.
Socket accept_from(const Socket& listener);
/// "127.0.0.1:4711", "[::1]:4711": this end.
std::string local_endpoint(const Socket& socket);
int port_of(const std::string& endpoint);

/// Not blocking and without Nagle's delay.
Socket connect_to(const std::string& endpoint, Deadline deadline);
/// False: the other end has closed the connection.
bool send_exactly(const Socket& socket, std::span<const std::byte> bytes,
                  const std::string& endpoint, Deadline deadline);
bool receive_exactly(const Socket& socket, std::span<std::byte> bytes, const std::string& endpoint,
                     Deadline deadline);

/// What is left until `deadline`, rounded up; 0 when it has passed.
int milliseconds_left(Deadline deadline);

}  // namespace stagecraft
