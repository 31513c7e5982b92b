// TCP sockets at numeric addresses. No function waits longer than its deadline, and child processes
// inherit no socket. Errors are "[ADDRESS:PORT] the system's message".
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

namespace stagecraft {

using Deadline = std::chrono::steady_clock::time_point;

/// Owns a file descriptor.
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
  /// Passes ownership of the descriptor to the caller.
  int release();
  void reset();

 private:
  int descriptor_ = -1;
};

/// Listens on a free port of one interface. Throws Error for the address of all interfaces. The
/// socket is non-blocking.
Socket listen_on(const std::string& interface_address);
/// The next client, non-blocking and without Nagle's delay. An empty socket: errno has the reason.
Socket accept_from(const Socket& listener);
/// The local address and port, as "127.0.0.1:4711" or "[::1]:4711".
std::string local_endpoint(const Socket& socket);
int port_of(const std::string& endpoint);

/// The connected socket is non-blocking and without Nagle's delay.
Socket connect_to(const std::string& endpoint, Deadline deadline);
/// Both return false when the other end has closed the connection.
bool send_exactly(const Socket& socket, std::span<const std::byte> bytes,
                  const std::string& endpoint, Deadline deadline);
bool receive_exactly(const Socket& socket, std::span<std::byte> bytes, const std::string& endpoint,
                     Deadline deadline);

/// Milliseconds until `deadline`, rounded up; 0 when it has passed.
int milliseconds_left(Deadline deadline);

}  // namespace stagecraft
