// Control between processes. An actor system of its own stands for each process.
#include "actors/network/control_network.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <caf/io/all.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <set>
#include <sstream>

#include "actors/network/socket.h"
#include "tests/actors/network/control_process.h"
#include "tests/conformance/watchdog.h"

namespace stagecraft {
namespace {

using namespace std::chrono_literals;
using namespace test;
using Catch::Matchers::Contains;

caf::actor untyped(const caf::strong_actor_ptr& actor) {
  return caf::actor_cast<caf::actor>(actor);
}

/// Sends one of every message of the list, and returns what should arrive.
template <class... Messages>
std::vector<std::string> send_all(caf::actor_system& system, const caf::strong_actor_ptr& to,
                                  MessageList<Messages...>) {
  (caf::anon_send(untyped(to), sample<Messages>()), ...);
  return {image(system, sample<Messages>())...};
}

template <class... Messages>
constexpr std::size_t size(MessageList<Messages...>) {
  return sizeof...(Messages);
}
// These go to stages and to the driver.
static_assert(size(AllMessages{}) + size(MessageList<PassDone, StateSaved>{}) ==
              size(ToStage{}) + size(ToDriver{}) + size(ToMonitor{}));

/// Every socket on which this process listens, as "0100007F:1234" (the form of /proc/net/tcp).
std::vector<std::string> listening_here() {
  std::set<std::string> inodes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    inodes.insert(std::filesystem::read_symlink(entry.path(), gone).string());
  }
  std::vector<std::string> found;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream stream(table);
    for (std::string line; std::getline(stream, line);) {
      std::istringstream words(line);
      const std::vector<std::string> word{std::istream_iterator<std::string>(words), {}};
      constexpr std::size_t kInode = 9;
      if (word.size() > kInode && word[3] == "0A" &&
          inodes.contains("socket:[" + word[kInode] + "]")) {
        found.push_back(word[1]);
      }
    }
  }
  return found;
}

/// Monitors an actor.
class Watcher {
 public:
  Watcher(caf::actor_system& system, const StageActor& watched) : watched_(watched.address()) {
    std::promise<void> watching;
    actor_ = system.spawn([&, downs = downs_](caf::event_based_actor* self) {
      self->monitor(watched);
      self->set_down_handler([downs](const caf::down_msg& m) { downs->add(m.source); });
      watching.set_value();
      return caf::behavior{[](TickAtom) {}};
    });
    watching.get_future().wait();
  }
  ~Watcher() { caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// As long as Notes wait.
  bool sees_down() const { return downs_->first(1) == std::vector{watched_}; }

 private:
  caf::actor_addr watched_;
  std::shared_ptr<Notes<caf::actor_addr>> downs_ = std::make_shared<Notes<caf::actor_addr>>();
  caf::actor actor_;
};

/// Shuts down every TCP connection that this process accepted at `address`.
void cut_connections_to(const std::string& address) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename().string());
    sockaddr_in local{};
    socklen_t size = sizeof local;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
        local.sin_family == AF_INET && ntohs(local.sin_port) == port_of(address)) {
      ::shutdown(descriptor, SHUT_RDWR);
    }
  }
}

}  // namespace

TEST_CASE("every message arrives intact, in both directions, as do handles of actors") {
  const Watchdog watchdog("control: every message", 60s);
  ControlProcess a(options_of(0));
  ControlProcess b(options_of(1));
  const StageActor stage = a.network->connect(b.network->open(b.stage), 1);
  const auto driver = a.system.spawn(recording_driver, a.received);
  const auto monitor = a.system.spawn(recording_monitor, a.received);
  caf::anon_send(stage, ConnectAtom::value,
                 std::vector{caf::actor_cast<caf::strong_actor_ptr>(driver),
                             caf::actor_cast<caf::strong_actor_ptr>(monitor),
                             caf::actor_cast<caf::strong_actor_ptr>(stage)},
                 caf::strong_actor_ptr());
  const auto sent = send_all(a.system, caf::actor_cast<caf::strong_actor_ptr>(stage), ToStage{});
  CHECK(b.received->images.first(sent.size()) == sent);

  const auto connects = b.received->connects.first(1);
  REQUIRE(connects.size() == 1);
  CHECK(connects[0].at(2) == b.stage);  // its own handle comes back as the local actor
  auto answered = send_all(b.system, connects[0].at(0), ToDriver{});
  CHECK(a.received->images.first(answered.size()) == answered);
  const auto reported = send_all(b.system, connects[0].at(1), ToMonitor{});
  answered.insert(answered.end(), reported.begin(), reported.end());
  CHECK(a.received->images.first(answered.size()) == answered);
  caf::anon_send_exit(driver, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(monitor, caf::exit_reason::user_shutdown);
}

TEST_CASE("only the listener's socket listens, on one interface, until close; connections stay") {
  const Watchdog watchdog("control: closing", 60s);
  ControlProcess a(options_of(0));
  ControlProcess b(options_of(1));
  CHECK(listening_here().empty());
  const std::string address = b.network->open(b.stage);
  const auto port = static_cast<unsigned>(port_of(address));
  CHECK(listening_here() == std::vector{fmt::format("0100007F:{:04X}", port)});
  const StageActor stage = a.network->connect(address, 1);
  b.network->close();
  CHECK(listening_here().empty());
  CHECK_THROWS_WITH(connect_to(address, soon()), Contains("refused"));
  caf::anon_send(stage, sample<RunPasses>());
  CHECK(b.received->images.first(1) == std::vector{image(a.system, sample<RunPasses>())});
}

TEST_CASE("thousands of envelopes keep their order") {
  const Watchdog watchdog("control: order", 60s);
#ifdef __SANITIZE_THREAD__
  constexpr std::size_t kCount = 200;  // slow: TSan reports on CAF, then suppresses them
#else
  constexpr std::size_t kCount = 10'000;
#endif
  ControlProcess a(options_of(0));
  ControlProcess b(options_of(1));
  const StageActor stage = a.network->connect(b.network->open(b.stage), 1);
  std::vector<std::string> sent;
  Envelope envelope = sample<Envelope>();
  for (envelope.sequence = 0; envelope.sequence < kCount; ++envelope.sequence) {
    caf::anon_send(stage, envelope);
    sent.push_back(image(a.system, envelope));
  }
  CHECK((b.received->images.first(kCount) == sent));
}

TEST_CASE("the actors of a lost peer are reported down at the other ranks") {
  const Watchdog watchdog("control: lost", 60s);
  ControlProcess a(options_of(0));
  auto b = std::make_unique<ControlProcess>(options_of(1));
  const StageActor stage = a.network->connect(b->network->open(b->stage), 1);
  const Watcher watcher(a.system, stage);
  b.reset();
  CHECK(watcher.sees_down());
}

TEST_CASE("after a cut connection each side reports the other's actors down") {
  const Watchdog watchdog("control: cut", 60s);
  ControlProcess a(options_of(0));
  ControlProcess b(options_of(1));
  const std::string address_of_a = a.network->open(a.stage);
  const std::string address = b.network->open(b.stage);
  const StageActor stage_of_b = a.network->connect(address, 1);
  const StageActor stage_of_a = b.network->connect(address_of_a, 0);
  const Watcher watches_b(a.system, stage_of_b);
  const Watcher watches_a(b.system, stage_of_a);
  b.network->close();
  cut_connections_to(address);
  CHECK(watches_b.sees_down());
  CHECK(watches_a.sees_down());
}

TEST_CASE("all ranks connect to all ranks at the same time, including themselves") {
  const Watchdog watchdog("control: crosswise", 100s);
  constexpr int kRanks = 4;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<ControlProcess>> all;
    std::vector<std::string> addresses;
    for (int rank = 0; rank < kRanks; ++rank) {
      all.push_back(std::make_unique<ControlProcess>(options_of(rank)));
      addresses.push_back(all.back()->network->open(all.back()->stage));
    }
    std::vector<std::future<void>> connecting;
    for (auto& process : all) {
      connecting.push_back(std::async(std::launch::async, [&] {
        for (int peer = 0; peer < kRanks; ++peer) {
          const auto address = addresses[static_cast<std::size_t>(peer)];
          caf::anon_send(process->network->connect(address, peer), sample<RunPasses>());
        }
      }));
    }
    for (auto& each : connecting) {
      each.get();
    }
    for (auto& process : all) {
      CHECK(process->received->images.first(kRanks).size() == kRanks);
    }
  }
}

TEST_CASE("the end of a process does not wait for a frozen peer") {
  const Watchdog watchdog("control: frozen", 60s);
  ControlProcess b(options_of(1));
  std::promise<void> thaw;
  {
    ControlProcess a(options_of(0));
    const StageActor stage = a.network->connect(b.network->open(b.stage), 1);
    b.system.middleman().run_later([frozen = thaw.get_future().share()] { frozen.wait(); });
  }
  thaw.set_value();
}

TEST_CASE("open after close listens again; open without close is an error") {
  const Watchdog watchdog("control: reopened", 60s);
  ControlProcess a(options_of(0));
  ControlProcess b(options_of(1));
  b.network->open(b.stage);
  CHECK_THROWS_WITH(b.network->open(b.stage), Contains("rank 1 is already listening"));
  CHECK_THROWS_WITH(a.network->connect("", 0), Contains("rank 0 is not listening"));
  b.network->close();
  b.network->close();
  const StageActor stage = a.network->connect(b.network->open(b.stage), 1);
  caf::anon_send(stage, sample<RunPasses>());
  CHECK(b.received->images.first(1).size() == 1);
}

TEST_CASE("secrets differ") {
  CHECK(new_secret().size() == kSecretBytes);
  CHECK(new_secret() != new_secret());
}

}  // namespace stagecraft
