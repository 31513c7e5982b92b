// The TCP sockets of this machine's processes, as the system lists them.
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

/// Those in one state, over IPv4 and IPv6.
std::vector<SocketRow> tcp_sockets(const std::string& state);

/// A process's sockets: file descriptor to inode.
std::map<int, std::string> sockets_of(int process);

/// Whether the port of "ADDRESS:PORT" is one that the system chose, as a gate's is; MPI's lie
/// below.
bool has_free_port(const std::string& end);

/// "127.0.0.1:36138" of "0100007F:8D2A"; of IPv6 as it is.
std::string readable(const std::string& end);

}  // namespace stagecraft::test
