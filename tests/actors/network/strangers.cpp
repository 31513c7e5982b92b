#include "tests/actors/network/strangers.h"

#include <algorithm>
#include <span>

#include "actors/network/control_network.h"

namespace stagecraft::test {
namespace {

/// A client that sends `text` and then only keeps its connection open.
Socket stranger(const std::string& address, std::span<const std::byte> text) {
  const Deadline soon = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  Socket socket = connect_to(address, soon);
  static_cast<void>(send_exactly(socket, text, address, soon));
  return socket;
}

/// CAF's header of a message that announces four gigabytes.
std::vector<std::byte> huge_header() {
  std::vector<std::byte> header(64);
  header[3] = std::byte{0};  // server handshake
  std::fill(header.begin() + 4, header.begin() + 8, std::byte{0xFF});
  return header;
}

}  // namespace

std::vector<Socket> send_strangers(const std::string& address) {
  const HandshakeBytes other_run = encode(Handshake{control_version(), 1, new_secret()});
  const HandshakeBytes other_version = encode(Handshake{"0.0.9", 1, new_secret()});
  std::vector<Socket> all;
  all.push_back(stranger(address, {}));
  all.push_back(stranger(address, std::as_bytes(std::span("GET / HTTP/1.1"))));
  all.push_back(stranger(address, huge_header()));
  all.push_back(stranger(address, std::span(other_run).first(kHandshakeBytes / 2)));
  all.push_back(stranger(address, other_run));
  all.push_back(stranger(address, other_version));
  return all;
}

}  // namespace stagecraft::test
