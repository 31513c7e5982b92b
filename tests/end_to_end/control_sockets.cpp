#include "tests/end_to_end/control_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "tests/end_to_end/socket_table.h"

namespace stagecraft::test {
namespace {

using Inode = std::string;

/// This process's ends of connections whose other end is not a socket of mpirun.
std::set<Inode> control_inodes() {
  std::set<Inode> of_mpirun;
  for (const auto& [file, inode] : sockets_of(::getppid())) {
    of_mpirun.insert(inode);
  }
  const std::vector<SocketRow> all = tcp_sockets(kEstablished);
  std::map<std::string, Inode> by_local;
  for (const SocketRow& c : all) {
    by_local[c.local + c.remote] = c.inode;
  }
  std::set<Inode> control;
  for (const SocketRow& c : all) {
    const auto other = by_local.find(c.remote + c.local);
    // The system chose the ports at both ends of a control connection.
    if (has_free_port(c.local) && has_free_port(c.remote) && other != by_local.end() &&
        !of_mpirun.contains(other->second)) {
      control.insert(c.inode);
    }
  }
  return control;
}

}  // namespace

int shut_down_control_sockets() {
  const std::set<Inode> control = control_inodes();
  int count = 0;
  for (const auto& [file, inode] : sockets_of(::getpid())) {
    if (control.contains(inode) && ::shutdown(file, SHUT_RDWR) == 0) {
      ++count;
    }
  }
  return count;
}

}  // namespace stagecraft::test
