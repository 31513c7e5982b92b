#include "tests/end_to_end/control_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

using Inode = std::string;

struct Connection {
  std::string local;  // "0100007F:8D2A", as /proc/net/tcp has it
  std::string remote;
  Inode inode;
};

/// The sockets of a process: file descriptor to inode.
std::map<int, Inode> sockets_of(int process) {
  std::map<int, Inode> sockets;
  std::error_code gone;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(process) + "/fd", gone)) {
    const std::string target = fs::read_symlink(entry.path(), gone).string();
    if (target.starts_with("socket:[")) {
      sockets[std::stoi(entry.path().filename())] = target.substr(8, target.size() - 9);
    }
  }
  return sockets;
}

std::vector<Connection> established() {
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);
  std::vector<Connection> all;
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, state, skip;
    Connection c;
    words >> number >> c.local >> c.remote >> state;
    for (int column = 0; column < 5; ++column) {
      words >> skip;
    }
    words >> c.inode;
    if (state == "01") {
      all.push_back(c);
    }
  }
  return all;
}

/// A gate listens on a port that the system chose, and so both ends of control lie in the system's
/// range; MPI's listen below it.
bool has_free_ports(const Connection& c) {
  int first = 32768;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first;
  const auto port = [](const std::string& end) {
    return std::stoi(end.substr(end.find(':') + 1), nullptr, 16);
  };
  return port(c.local) >= first && port(c.remote) >= first;
}

/// This process's ends of connections whose other end is no socket of mpirun's.
std::set<Inode> control_inodes() {
  std::set<Inode> of_mpirun;
  for (const auto& [file, inode] : sockets_of(::getppid())) {
    of_mpirun.insert(inode);
  }
  const std::vector<Connection> all = established();
  std::map<std::string, Inode> by_local;
  for (const Connection& c : all) {
    by_local[c.local + c.remote] = c.inode;
  }
  std::set<Inode> control;
  for (const Connection& c : all) {
    const auto other = by_local.find(c.remote + c.local);
    if (has_free_ports(c) && other != by_local.end() && !of_mpirun.contains(other->second)) {
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
