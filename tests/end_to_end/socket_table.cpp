#include "tests/end_to_end/socket_table.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

int port_of(const std::string& end) {
  return std::stoi(end.substr(end.find(':') + 1), nullptr, 16);
}

}  // namespace

std::vector<SocketRow> tcp_sockets(const std::string& state) {
  std::vector<SocketRow> rows;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream table(path);
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
      std::istringstream words(line);
      std::string number, found, skip;
      SocketRow row;
      words >> number >> row.local >> row.remote >> found;
      for (int column = 0; column < 5; ++column) {
        words >> skip;
      }
      words >> row.inode;
      if (found == state) {
        rows.push_back(row);
      }
    }
  }
  return rows;
}

std::map<int, std::string> sockets_of(int process) {
  std::map<int, std::string> sockets;
  std::error_code gone;
  for (fs::directory_iterator entry("/proc/" + std::to_string(process) + "/fd", gone), end;
       entry != end; entry.increment(gone)) {
    const std::string target = fs::read_symlink(entry->path(), gone).string();
    if (target.starts_with("socket:[")) {
      sockets[std::stoi(entry->path().filename())] = target.substr(8, target.size() - 9);
    }
  }
  return sockets;
}

bool has_free_port(const std::string& end) {
  int first = 32768;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first;
  return port_of(end) >= first;
}

std::string readable(const std::string& end) {
  if (end.find(':') > 8) {
    return end;  // over IPv6
  }
  const unsigned long address = std::stoul(end.substr(0, end.find(':')), nullptr, 16);
  return fmt::format("{}.{}.{}.{}:{}", address & 0xFF, address >> 8 & 0xFF, address >> 16 & 0xFF,
                     address >> 24 & 0xFF, port_of(end));
}

}  // namespace stagecraft::test
