// Rows of a progress board on their way to another host, whose clocks have nothing in common with
// those of the first.
#include "actors/failure/board_relay.h"

#include <catch2/catch.hpp>

#include "actors/failure/culprit.h"
#include "kernels/base/span.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kSecond = 1'000'000'000;

/// Ranks 0 and 1 are on `first`, ranks 2 and 3 on `second`.
struct HostSide {
  explicit HostSide(const std::string& host) : name(host), relay(board, host) {
    for (int rank = 0; rank < 4; ++rank) {
      board->slot(rank).enter(100 + rank, rank < 2 ? "first" : "second");
    }
  }
  ProgressSlot::View view(int rank) const { return std::as_const(*board).slot(rank).view(); }
  /// `seconds` from now on this host.
  WatchedMoment moment(double seconds) const {
    const auto ns = static_cast<std::int64_t>(seconds * static_cast<double>(kSecond));
    return {.now_ns = now_ns() + ns,
            .reader = {.host = name,
                       .wall_ns = wall_clock_ns() + ns,
                       .alive = [](int) { return true; }},
            .processes = true,
            .ranks_here = 2};
  }
  std::string finding(double seconds) const {
    const auto found = find_culprit(*board, moment(seconds));
    return found ? found->text : "";
  }

  std::string name;
  std::shared_ptr<ProgressBoard> board = std::make_shared<ProgressBoard>(
      BoardInfo{.mesh = {.pipeline = 4}, .stage_of_chunk = {0, 1, 2, 3}, .watchdog_seconds = 1});
  BoardRelay relay;
};

/// One exchange: the second host's rows, and the answer.
void exchange(const HostSide& first, const HostSide& second) {
  const BoardRows rows = second.relay.own(now_ns());
  first.relay.take(rows, now_ns());
  second.relay.take(first.relay.others(rows, now_ns()), now_ns());
}

void beat(HostSide& host, std::initializer_list<int> ranks) {
  for (const int rank : ranks) {
    host.board->slot(rank).beat();
  }
}

}  // namespace

TEST_CASE("board relay: a host sends its own ranks' rows and gets all others'") {
  HostSide first("first");
  HostSide second("second");
  second.board->slot(3).set_batch(4);
  second.board->slot(3).set(Activity::running, 7, {Op::forward, 3, 2});
  first.board->slot(1).set(Activity::writing);
  const BoardRows rows = second.relay.own(now_ns());
  REQUIRE(rows.rows.size() == 2);
  CHECK(rows.rows[0].rank == 2);
  CHECK(rows.rows[1].rank == 3);
  exchange(first, second);
  CHECK(first.view(3).activity == Activity::running);
  CHECK(first.view(3).step == 7);
  CHECK(first.view(3).batch == 4);
  CHECK(to_string(first.view(3).instruction) == "3F2");
  CHECK(first.view(3).process == 103);
  CHECK(second.view(1).activity == Activity::writing);
  CHECK(second.view(0).activity == Activity::starting);
}

TEST_CASE("board relay: an age becomes a time of the receiver's clock") {
  HostSide first("first");
  HostSide second("second");
  second.board->slot(2).beat();
  const ProgressSlot::View sent = second.view(2);
  const std::int64_t read_at = sent.heartbeat_ns + 5 * kSecond;
  const std::int64_t received_at = 77 * kSecond;  // of a host that has just been started
  first.relay.take(second.relay.own(read_at), received_at);
  CHECK(first.view(2).heartbeat_ns == received_at - 5 * kSecond);
  CHECK(first.view(2).since_ns == received_at - (read_at - sent.since_ns));
  CHECK(first.view(3).heartbeat_ns == 0);  // it gives none
}

TEST_CASE("board relay: a row that is not the sender's changes nothing") {
  HostSide first("first");
  first.board->slot(1).set(Activity::writing);
  first.relay.take({{{1, {}}, {-1, {}}, {4, {}}}, false, false}, now_ns());
  CHECK(first.view(1).activity == Activity::writing);
}

TEST_CASE("board relay: a stop that one host was asked for reaches rank 0's") {
  HostSide first("first");
  HostSide second("second");
  exchange(first, second);
  CHECK_FALSE(first.board->stop_requested());
  second.board->request_stop();
  exchange(first, second);
  CHECK(first.board->stop_requested());
}

TEST_CASE("board relay: a checkpoint that one host was asked for is asked of rank 0's once") {
  HostSide first("first");
  HostSide second("second");
  second.board->request_save();
  exchange(first, second);
  CHECK(first.board->take_save_request());
  exchange(first, second);
  CHECK_FALSE(first.board->take_save_request());
}

TEST_CASE("of another host nobody is blamed before it is heard, and the silent one afterwards") {
  HostSide first("first");
  HostSide second("second");
  for (const int rank : {0, 1}) {
    first.board->slot(rank).set(Activity::waiting, 3, {.op = Op::optimizer});
  }
  CHECK(first.finding(5).empty());
  beat(second, {2, 3});
  exchange(first, second);
  CHECK(first.finding(0.5).empty());
  CHECK_THAT(first.finding(5), Contains("stage 2, rank 2") &&
                                   Contains("on second has sent no heartbeat") &&
                                   Contains("or its host cut off"));
  CHECK(first.view(2).since_ns < first.view(2).heartbeat_ns + 1);
}

TEST_CASE("what another host's rank has done since its last heartbeat is not held against it") {
  HostSide first("first");
  HostSide second("second");
  second.board->slot(2).set(Activity::running, 3, {Op::forward, 2, 0});
  beat(second, {2, 3});
  const std::int64_t now = now_ns();
  // At the heartbeat the instruction had run for 0.9 s; that is 0.4 s ago.
  first.relay.take({{{2,
                      {.activity = static_cast<std::uint8_t>(Activity::running),
                       .step = 3,
                       .unchanged_ns = 13 * kSecond / 10,
                       .silent_ns = 4 * kSecond / 10}}},
                    false},
                   now);
  CHECK(first.finding(0).empty());
  first.relay.take({{{2,
                      {.activity = static_cast<std::uint8_t>(Activity::running),
                       .step = 3,
                       .unchanged_ns = 16 * kSecond / 10,
                       .silent_ns = 4 * kSecond / 10}}},
                    false},
                   now);
  CHECK_THAT(first.finding(0), Contains("stage 2, rank 2, step 3") && Contains("has not returned"));
}

TEST_CASE("all ranks of all hosts that wait for each other are a deadlock") {
  HostSide first("first");
  HostSide second("second");
  const auto wait = [](HostSide& host, int rank) {
    host.board->slot(rank).set(
        Activity::waiting, 3, {rank == 0 ? Op::receive_gradient : Op::receive_activation, rank, 1});
  };
  wait(first, 0);
  wait(first, 1);
  wait(second, 2);
  wait(second, 3);
  beat(second, {2, 3});
  const BoardRows rows = second.relay.own(now_ns() + 2 * kSecond);
  // The second host has seen its ranks wait for 2 s, and they give heartbeats.
  BoardRows alive = rows;
  for (WireRow& row : alive.rows) {
    row.row.silent_ns = 0;
  }
  first.relay.take(alive, now_ns() + 2 * kSecond);
  CHECK_THAT(first.finding(2), Contains("no rank has made progress for 1 s") &&
                                   Contains("stage 3, rank 3, step 3, instruction 3RA1"));
}

TEST_CASE("while hosts connect, a host waits longer for those that it cannot hear") {
  HostSide first("first");
  for (const int rank : {0, 1}) {
    first.board->slot(rank).set(Activity::joining);
  }
  CHECK(first.finding(5).empty());
  CHECK_THAT(first.finding(11),
             Contains("no rank of this host has made progress for 10 s (ten times "
                      "run.watchdog_seconds)"));
}

TEST_CASE("when all ranks have ended their part, silence is nobody's fault, and a hang is") {
  HostSide first("first");
  HostSide second("second");
  beat(second, {2, 3});
  exchange(first, second);
  first.relay.end();
  for (const int rank : {0, 1}) {
    first.board->slot(rank).set(Activity::ended);
  }
  CHECK(first.finding(5).empty());
  for (const int rank : {0, 1}) {
    first.board->slot(rank).set(Activity::closing);
  }
  CHECK_THAT(first.finding(5), Contains("no rank has made progress for 1 s"));
}

}  // namespace stagecraft
