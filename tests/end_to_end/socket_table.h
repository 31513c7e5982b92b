// The TCP sockets of this machine's processes, from /proc/net.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace stagecraft::test {

struct SocketRow {
  std::string local;  // "0100007F:8D2A", as /proc/net/tcp has it
  std::string remote;
  std::string inode;
};

inline constexpr const char* kEstablished = "01";
inline constexpr const char* kListening = "0A";

/// The sockets in one state, of IPv4 and IPv6.
std::vector<SocketRow> tcp_sockets(const std::string& state);

/// A process's sockets: file descriptor to inode.
std::map<int, std::string> sockets_of(int process);

/// Whether the system chose the port of "ADDRESS:PORT", as it does for a handshake listener. MPI's
/// ports are below that range.
bool has_free_port(const std::string& end);

/// Converts "0100007F:8D2A" to "127.0.0.1:36138"; an IPv6 address is returned unchanged.
std::string readable(const std::string& end);

}  // namespace stagecraft::test
