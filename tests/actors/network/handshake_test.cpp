// The handshake alone: plain sockets on both sides, no actors.
#include "actors/network/handshake_client.h"
#include "actors/network/handshake_listener.h"

#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "kernels/base/error.h"
#include "tests/conformance/watchdog.h"

namespace stagecraft {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

const std::string kSecret(kSecretBytes, 's');
const Handshake kHello{.version = "1.2", .rank = 3, .secret = kSecret};

Deadline in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

/// A handshake listener, and the connections that it admitted.
struct Entrance {
  explicit Entrance(HandshakeListenerOptions options = {})
      : listener(filled(std::move(options)), [this](Socket socket, std::int32_t rank) {
          const std::lock_guard lock(mutex);
          admitted.emplace_back(std::move(socket), rank);
          changed.notify_all();
        }) {}

  static HandshakeListenerOptions filled(HandshakeListenerOptions options) {
    options.version = "1.2";
    options.secret = kSecret;
    return options;
  }

  std::pair<Socket, std::int32_t> next() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 10s, [&] { return !admitted.empty(); }));
    auto first = std::move(admitted.front());
    admitted.pop_front();
    return first;
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<Socket, std::int32_t>> admitted;
  HandshakeListener listener;  // last: its thread uses all above
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// The other end has closed within ten seconds, without sending a byte.
bool dropped(const Socket& socket) {
  std::byte any{};
  return !receive_exactly(socket, {&any, 1}, "stranger", in(10s));
}

}  // namespace

TEST_CASE("handshake and answer survive encoding and decoding") {
  const HandshakeBytes bytes = encode(kHello);
  CHECK(begins_handshake(bytes));
  const Handshake handshake = decode_handshake(bytes);
  CHECK(handshake.version == "1.2");
  CHECK(handshake.rank == 3);
  CHECK(handshake.secret == kSecret);
  const Answer answer = decode_answer(encode(Answer{"9", HandshakeVerdict::other_run}), "listener");
  CHECK(answer.version == "9");
  CHECK(answer.verdict == HandshakeVerdict::other_run);
  CHECK_THROWS_WITH(
      encode(Handshake{.version = std::string(25, 'v'), .rank = 0, .secret = kSecret}),
      Contains("25 bytes in a field of 24"));
  CHECK_THROWS_WITH(decode_answer({}, "1.2.3.4:5"), Contains("[1.2.3.4:5] another program"));
}

TEST_CASE("same_secret compares whole secrets of the right size") {
  CHECK(same_secret(kSecret, kSecret));
  CHECK_FALSE(same_secret(kSecret, std::string(kSecretBytes - 1, 's') + "t"));
  CHECK_FALSE(same_secret(kSecret, ""));
  CHECK_FALSE(same_secret("", ""));
}

TEST_CASE("a client with a handshake is admitted, and the bytes after it are left unread") {
  const test::Watchdog watchdog("handshake: admitted", 30s);
  Entrance entrance;
  const Socket mine = connect_with_handshake(entrance.listener.address(), kHello, in(10s));
  const auto [theirs, rank] = entrance.next();
  CHECK(rank == 3);
  CHECK(send_exactly(mine, bytes_of("over"), "listener", in(10s)));
  std::array<std::byte, 4> came{};
  CHECK(receive_exactly(theirs, came, "peer", in(10s)));
  CHECK(std::equal(came.begin(), came.end(), bytes_of("over").begin()));
}

TEST_CASE("a handshake in single bytes, followed by more bytes, is admitted") {
  const test::Watchdog watchdog("handshake: single bytes", 30s);
  Entrance entrance;
  const Socket mine = connect_to(entrance.listener.address(), in(10s));
  const HandshakeBytes handshake = encode(kHello);
  for (const std::byte& each : handshake) {
    CHECK(send_exactly(mine, {&each, 1}, "listener", in(10s)));
  }
  CHECK(send_exactly(mine, bytes_of("more"), "listener", in(10s)));
  const auto [theirs, rank] = entrance.next();
  std::array<std::byte, 4> came{};
  CHECK(receive_exactly(theirs, came, "peer", in(10s)));
  CHECK(std::equal(came.begin(), came.end(), bytes_of("more").begin()));
}

TEST_CASE("clients of another version or another run get the reason") {
  const test::Watchdog watchdog("handshake: verdicts", 30s);
  Entrance entrance;
  Handshake handshake = kHello;
  handshake.version = "1.3";
  CHECK_THROWS_WITH(connect_with_handshake(entrance.listener.address(), handshake, in(10s)),
                    Contains(entrance.listener.address()) &&
                        Contains("has version \"1.2\", this program has \"1.3\""));
  handshake = kHello;
  handshake.secret.back() ^= 1;
  CHECK_THROWS_WITH(connect_with_handshake(entrance.listener.address(), handshake, in(10s)),
                    Contains("belongs to another run"));
  CHECK(entrance.admitted.empty());
}

TEST_CASE("garbage is dropped at once, silence and half a handshake after `patience`") {
  const test::Watchdog watchdog("handshake: foreign clients", 30s);
  Entrance patient;
  const Socket garbage = connect_to(patient.listener.address(), in(10s));
  CHECK(send_exactly(garbage, bytes_of("GET / HTTP/1.1\r\n\r\n"), "listener", in(10s)));
  CHECK(dropped(garbage));
  Entrance hasty({.patience = 100ms});
  const Socket silent = connect_to(hasty.listener.address(), in(10s));
  const Socket half = connect_to(hasty.listener.address(), in(10s));
  const HandshakeBytes handshake = encode(kHello);
  CHECK(send_exactly(half, std::span(handshake).first(kHandshakeBytes / 2), "listener", in(10s)));
  CHECK(dropped(silent));
  CHECK(dropped(half));
}

TEST_CASE("with too many pending connections the oldest is dropped, and a peer is admitted") {
  const test::Watchdog watchdog("handshake: many pending", 30s);
  Entrance entrance({.patience = 1h, .pending_connections = 8});
  std::vector<Socket> crowd;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(connect_to(entrance.listener.address(), in(10s)));
  }
  CHECK(dropped(crowd.front()));
  const Socket mine = connect_with_handshake(entrance.listener.address(), kHello, in(10s));
  CHECK(entrance.next().second == 3);
}

TEST_CASE("a closed listener refuses connections, and has dropped the pending ones") {
  const test::Watchdog watchdog("handshake: closed", 30s);
  auto entrance = std::make_unique<Entrance>();
  const std::string address = entrance->listener.address();
  const Socket connection = connect_to(address, in(10s));
  entrance.reset();
  CHECK(dropped(connection));
  CHECK_THROWS_WITH(connect_to(address, in(10s)), Contains(address) && Contains("refused"));
}

TEST_CASE("the client ends at the deadline when the listener never answers or always closes") {
  const test::Watchdog watchdog("handshake: deadline", 30s);
  const Socket mute = listen_on("127.0.0.1");  // the system accepts; nobody reads
  CHECK_THROWS_WITH(connect_with_handshake(local_endpoint(mute), kHello, in(50ms)),
                    Contains(local_endpoint(mute)) && Contains("before the deadline"));
  const Socket rude = listen_on("127.0.0.1");
  std::jthread hang_up([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd polled{rude.get(), POLLIN, 0};
      if (::poll(&polled, 1, 10) > 0) {
        accept_from(rude);
      }
    }
  });
  CHECK_THROWS_WITH(connect_with_handshake(local_endpoint(rude), kHello, in(200ms)),
                    Contains("without an answer") || Contains("before the deadline"));
}

TEST_CASE("a listener takes one interface only, by numeric address") {
  for (const char* every : {"0.0.0.0", "::"}) {
    CHECK_THROWS_WITH(listen_on(every), Contains("every interface"));
  }
  CHECK_THROWS_WITH(listen_on("localhost"), Contains("not a numeric address"));
  CHECK_THROWS_WITH(connect_to("127.0.0.1", in(1s)), Contains("not ADDRESS:PORT"));
  CHECK_THROWS_WITH(connect_to("localhost:80", in(1s)), Contains("not a numeric address"));
}

TEST_CASE("an IPv6 address is in brackets") {
  Socket listener;
  try {
    listener = listen_on("::1");
  } catch (const Error&) {
    return;  // this machine has no IPv6
  }
  CHECK_THAT(local_endpoint(listener), Catch::Matchers::StartsWith("[::1]:"));
  CHECK(connect_to(local_endpoint(listener), in(10s)));
}

}  // namespace stagecraft
