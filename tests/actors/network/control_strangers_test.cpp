// Which clients the control network admits, and the messages to those that it does not.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "actors/network/handshake_listener.h"
#include "tests/actors/network/control_process.h"
#include "tests/actors/network/strangers.h"
#include "tests/conformance/watchdog.h"

namespace stagecraft {
namespace {

using namespace std::chrono_literals;
using namespace test;
using Catch::Matchers::Contains;

std::int64_t resident_bytes() {
  std::ifstream stream("/proc/self/statm");
  std::int64_t pages = 0;
  stream >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("foreign clients before and while peers connect stop no peer and cost no memory") {
  const Watchdog watchdog("control: foreign clients", 60s);
  ControlProcess b(options_of(9));
  const std::string address = b.network->open(b.stage);
  const std::int64_t before = resident_bytes();
  std::vector<Socket> waiting;
  for (int i = 0; i < 12; ++i) {
    for (Socket& each : send_strangers(address)) {
      waiting.push_back(std::move(each));
    }
  }
  std::jthread crowd([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      send_strangers(address);
    }
  });
  for (int rank = 2; rank < 6; ++rank) {
    ControlProcess peer(options_of(rank));
    caf::anon_send(peer.network->connect(address, 9), RunPasses{{{PassKind::train, rank}}});
    CHECK(b.received->images.first(static_cast<std::size_t>(rank - 1)).back() ==
          image(b.system, RunPasses{{{PassKind::train, rank}}}));
  }
  CHECK(resident_bytes() - before < (std::int64_t{64} << 20));
}

TEST_CASE("a failed connection names the peer, the address and the reason") {
  const Watchdog watchdog("control: errors", 60s);
  ControlOptions options = options_of(0);
  options.deadline_seconds = 0.2;
  ControlProcess a(options);
  options.rank = 5;
  ControlProcess higher(options);
  CHECK_THROWS_WITH(higher.network->connect("127.0.0.1:1", 3),
                    Contains("rank 5 cannot connect to rank 3") && Contains("has not connected"));
  const Socket mute = listen_on("127.0.0.1");
  const std::string there = local_endpoint(mute);
  CHECK_THROWS_WITH(a.network->connect(there, 3), Contains("rank 0 cannot connect to rank 3") &&
                                                      Contains(there) && Contains("deadline"));
  std::string nowhere;
  {
    const Socket closed = listen_on("127.0.0.1");
    nowhere = local_endpoint(closed);
  }
  CHECK_THROWS_WITH(a.network->connect(nowhere, 4),
                    Contains("rank 4") && Contains(nowhere) && Contains("refused"));

  ControlProcess b(options_of(9));
  const std::string address = b.network->open(b.stage);
  options = options_of(2);
  options.secret = new_secret();
  CHECK_THROWS_WITH(ControlProcess(options).network->connect(address, 9),
                    Contains("rank 9") && Contains(address) && Contains("another run"));
  options = options_of(2);
  options.version = "0.0.9, control 0";
  CHECK_THROWS_WITH(ControlProcess(options).network->connect(address, 9),
                    Contains("rank 9") && Contains(control_version()) && Contains("0.0.9"));
}

TEST_CASE("the wait for a peer that admits and then sends nothing ends at the deadline") {
  const Watchdog watchdog("control: silent peer", 60s);
  const HandshakeListener listener(
      {.interface_address = "127.0.0.1", .version = control_version(), .secret = kRunSecret},
      [kept = std::make_shared<std::vector<Socket>>()](Socket socket, int) {
        kept->push_back(std::move(socket));
      });
  ControlOptions options = options_of(0);
  options.deadline_seconds = 0.2;
  ControlProcess a(options);
  CHECK_THROWS_WITH(
      a.network->connect(listener.address(), 7),
      Contains("rank 7") && Contains(listener.address()) && Contains("accepted the handshake"));
}

}  // namespace stagecraft
