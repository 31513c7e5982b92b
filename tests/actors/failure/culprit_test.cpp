// The failures that are found on a board, and their messages.
#include "actors/failure/culprit.h"

#include <catch2/catch.hpp>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kSecond = 1'000'000'000;

std::shared_ptr<ProgressBoard> two_stages() {
  BoardInfo info;
  info.mesh = {.pipeline = 2};
  info.stage_of_chunk = {0, 1};
  info.watchdog_seconds = 1;
  return std::make_shared<ProgressBoard>(info);
}

/// `seconds` from now, on both clocks.
WatchedMoment moment(double seconds, bool processes = false) {
  const auto ns = static_cast<std::int64_t>(seconds * static_cast<double>(kSecond));
  WatchedMoment at{now_ns() + ns, board_reader(), processes};
  at.reader.wall_ns += ns;
  at.reader.alive = [](int) { return true; };
  return at;
}

std::string text_of(const ProgressBoard& board, const WatchedMoment& at) {
  const auto finding = find_culprit(board, at);
  return finding ? finding->text : "";
}

}  // namespace

TEST_CASE("a driver may wait for long until the ranks have started, unless all are ready") {
  const auto board = two_stages();
  board->driver().enter();
  CHECK(text_of(*board, moment(5)).empty());  // no rank has begun
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
    board->slot(rank).set(Activity::idle);
  }
  CHECK_THAT(text_of(*board, moment(5)), Contains("no rank has made progress") &&
                                             Contains("driver, waits for the ranks to start"));
}

TEST_CASE("the watchdog finds a driver that does not return, and one that waits for nobody") {
  const auto board = two_stages();
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
    board->slot(rank).set(Activity::waiting, 3, {.op = Op::optimizer});
  }
  const auto later = [] { return moment(5); };
  CHECK(text_of(*board, later()).empty());  // a run without a driver
  board->driver().enter();
  board->driver().set(Activity::observing, 3, {});
  CHECK_THAT(text_of(*board, later()),
             Contains("driver, step 3, in an observer of the run (metrics, terminal): has not "
                      "returned for 5.0 s (run.watchdog_seconds = 1)"));
  CHECK(find_culprit(*board, later())->rank == 0);
  board->driver().set(Activity::deciding, 3, {});
  CHECK_THAT(text_of(*board, later()), Contains("driver, step 3, adding up results"));
  board->driver().set(Activity::writing);
  CHECK_THAT(text_of(*board, later()), Contains("driver, giving the model's files their names"));
  board->driver().set(Activity::leaving);
  CHECK(text_of(*board, later()).empty());

  // All ranks wait for the driver's decision, and the driver for them: a message is lost.
  board->driver().set(Activity::waiting, 3, {});
  CHECK_THAT(text_of(*board, later()), Contains("no rank has made progress") &&
                                           Contains("driver, step 3, waits for the ranks"));
  CHECK(text_of(*board, moment(0)).empty());
  board->slot(1).set(Activity::running, 3, {Op::forward, 1, 2});
  CHECK_THAT(text_of(*board, later()), Contains("rank 1, step 3, instruction 1F2"));
}

TEST_CASE("a process that ends as it should while the watchdog looks is not gone") {
  const auto board = two_stages();
  for (int rank = 0; rank < 2; ++rank) {
    board->slot(rank).enter();
    board->slot(rank).set(Activity::leaving);
  }
  WatchedMoment now = moment(0, true);
  SECTION("it has written that it ends") {
    now.reader.alive = [&](int) {
      board->slot(0).set(Activity::ended);
      board->slot(1).set(Activity::ended);
      return false;
    };
    CHECK(text_of(*board, now).empty());
  }
  SECTION("it was killed") {
    now.reader.alive = [](int) { return false; };
    CHECK_THAT(text_of(*board, now), Contains("stage 0, rank 0, ending its part of the run") &&
                                         Contains("is gone without having ended"));
  }
}

TEST_CASE("the watchdog finds a rank that does not return, and ranks that wait for each other") {
  const auto board = two_stages();
  ProgressSlot& first = board->slot(0);
  ProgressSlot& second = board->slot(1);
  first.enter();
  second.enter();
  first.set(Activity::waiting, 3, {Op::receive_gradient, 0, 1});
  second.set(Activity::running, 3, {Op::forward, 1, 2});
  const WatchedMoment now = moment(0);
  const WatchedMoment later = moment(5);
  CHECK(text_of(*board, now).empty());
  CHECK_THAT(text_of(*board, later), Contains("stage 1, rank 1, step 3, instruction 1F2"));
  CHECK(find_culprit(*board, later)->rank == 1);
  second.set(Activity::reporting);
  CHECK_THAT(text_of(*board, later), Contains("rank 1, step 3, adding up losses"));
  second.set(Activity::writing);
  CHECK_THAT(text_of(*board, later), Contains("rank 1, writing its part of the model"));
  second.set(Activity::starting);
  CHECK_THAT(text_of(*board, later), Contains("rank 1, making its parameters"));
  second.set(Activity::beginning, 4, {});
  CHECK_THAT(text_of(*board, later), Contains("rank 1, beginning step 4"));

  second.set(Activity::waiting, 3, {Op::receive_activation, 1, 2});
  CHECK_THAT(
      text_of(*board, later),
      Contains("no rank has made progress") &&
          Contains("instruction 0RG1: waits for the gradient of micro-batch 1 from stage 1") &&
          Contains("instruction 1RA2: waits for the activation of micro-batch 2 from stage 0"));

  // Waiting for the driver's decision is not a deadlock of the stages.
  first.set(Activity::waiting, 3, {.op = Op::optimizer});
  second.set(Activity::waiting, 3, {.op = Op::optimizer});
  CHECK(text_of(*board, later).empty());
}

TEST_CASE("the watchdog names a process that is gone, sends no heartbeat, or never started") {
  const auto board = two_stages();
  board->slot(0).enter();
  CHECK(text_of(*board, moment(0.5, true)).empty());
  CHECK_THAT(text_of(*board, moment(5, true)), Contains("stage 1, rank 1, has not started within"));

  board->slot(1).enter(4711, host_name());
  for (int rank = 0; rank < 2; ++rank) {
    board->slot(rank).set(Activity::waiting, 3, {Op::receive_gradient, 0, 1});
    board->slot(rank).beat();
  }
  CHECK_THAT(text_of(*board, moment(5, true)),
             Contains("rank 0, step 3") && Contains("has sent no heartbeat for"));

  WatchedMoment at = moment(0, true);
  at.reader.alive = [](int process) { return process != 4711; };
  CHECK_THAT(text_of(*board, at),
             Contains("rank 1, step 3") && Contains("its process 4711 is gone"));
  CHECK(find_culprit(*board, at)->rank == 1);
  // A process that was dismissed, has ended or has failed is not reported as gone.
  for (const Activity activity : {Activity::dismissed, Activity::ended, Activity::failed}) {
    board->slot(1).set(activity);
    CHECK(text_of(*board, at).empty());
  }
}

TEST_CASE("a rank that does not begin to end is to blame, not those that wait for it") {
  const auto board = two_stages();
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
  }
  board->slot(0).set(Activity::parting);
  board->slot(1).set(Activity::leaving);
  CHECK(find_culprit(*board, moment(5))->rank == 1);
  CHECK_THAT(text_of(*board, moment(5)), Contains("stage 1, rank 1, ending its part of the run"));
  // Rank 0 is further, so all have been ready for it: rank 1 hangs in what rank 0 has passed.
  for (const auto& [ahead, behind] : {std::pair{Activity::closing, Activity::parting},
                                      {Activity::ended, Activity::parting},
                                      {Activity::ended, Activity::closing}}) {
    board->slot(0).set(ahead);
    board->slot(1).set(behind);
    CHECK(text_of(*board, moment(0.5)).empty());
    CHECK(find_culprit(*board, moment(5))->rank == 1);
    CHECK_THAT(text_of(*board, moment(5)), Contains("rank 1, ") && Contains("other ranks"));
  }
  for (const Activity together : {Activity::parting, Activity::closing}) {
    board->slot(0).set(together);
    board->slot(1).set(together);
    CHECK_THAT(text_of(*board, moment(5)), Contains("no rank has made progress"));
    CHECK(find_culprit(*board, moment(5))->rank == -1);
  }
}

TEST_CASE("a rank that starts for too long is to blame, not those that connect to it") {
  const auto board = two_stages();
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
  }
  board->slot(0).set(Activity::joining);
  CHECK(find_culprit(*board, moment(5))->rank == 1);
  board->slot(1).set(Activity::joining);
  CHECK_THAT(text_of(*board, moment(5)), Contains("no rank has made progress") &&
                                             Contains("rank 0, connecting to the other ranks"));
}

TEST_CASE("a rank that hangs in its trace is to blame, not those that wait for it at the end") {
  const auto board = two_stages();
  board->driver().enter();
  board->driver().set(Activity::leaving);
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
    board->slot(rank).set(Activity::parting);
  }
  CHECK_THAT(text_of(*board, moment(5)), Contains("no rank has made progress") &&
                                             Contains("driver, waits for the ranks to end"));
  board->slot(1).set(Activity::tracing, 7, {});
  CHECK_THAT(text_of(*board, moment(5)),
             Catch::StartsWith("stage 1, rank 1, step 7, writing its trace: has not returned"));
}

TEST_CASE("the watchdog counts no time in which it did not watch") {
  const auto board = two_stages();
  board->driver().enter();
  board->driver().set(Activity::waiting, 3, {});
  for (const int rank : {0, 1}) {
    board->slot(rank).enter();
    board->slot(rank).set(Activity::running, 3, {Op::forward, rank, 2});
    board->slot(rank).beat();
  }
  WatchedMoment woken = moment(500, true);
  CHECK_FALSE(text_of(*board, woken).empty());
  woken.watching_since_ns = woken.now_ns - kSecond / 2;
  CHECK(text_of(*board, woken).empty());
  woken.watching_since_ns = woken.now_ns - 2 * kSecond;
  CHECK_THAT(text_of(*board, woken), Contains("has sent no heartbeat for 2.0 s"));
  const auto rank_missing = two_stages();
  CHECK_FALSE(text_of(*rank_missing, moment(500, true)).empty());
  woken.watching_since_ns = woken.now_ns - kSecond / 2;
  CHECK(text_of(*rank_missing, woken).empty());
}

TEST_CASE("of several hosts, one blames its own ranks first, and then that nothing is heard") {
  const auto board = two_stages();
  const auto seen = [&](double seconds) {
    WatchedMoment at = moment(seconds, true);
    at.ranks_here = 1;
    return text_of(*board, at);
  };
  CHECK(seen(0.5).empty());
  CHECK_THAT(seen(1.5), Contains("1 of the 1 ranks on " + host_name() + " have not started"));
  board->slot(1).enter();
  board->slot(1).set(Activity::joining);
  CHECK(seen(1.5).empty());  // rank 0 is on another host, whose watchdogs know better
  CHECK_THAT(seen(5), Contains("MPI on " + host_name() + " has heard nothing of 1 ranks"));
  board->slot(0).enter(4711, "far-away");
  CHECK(seen(5).empty());
}

TEST_CASE("of several hosts, one blames its own frozen rank, not those that it hears nothing of") {
  const auto board = two_stages();
  board->slot(0).enter(4711, "far-away");
  board->slot(1).enter();
  for (const int rank : {0, 1}) {
    board->slot(rank).set(Activity::waiting, 3, {Op::receive_gradient, rank, 1});
    board->slot(rank).beat();
  }
  WatchedMoment at = moment(5, true);
  at.ranks_here = 1;
  CHECK_THAT(text_of(*board, at),
             Catch::StartsWith("stage 1, rank 1, ") && Contains("has sent no heartbeat for"));
}

}  // namespace stagecraft
