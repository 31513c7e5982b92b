#include "stages/board/board_report.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

/// A board with two stages on this host and one that has not started, read 2.5 s after the last
/// change.
struct Scene {
  Scene() {
    board.slot(0).enter(100, "here");
    board.slot(0).set(Activity::waiting, 3, {Op::receive_gradient, 0, 1});
    board.slot(1).enter(101, "here");
    board.slot(1).set(Activity::running, 3, {Op::forward, 1, 2});
    reader.host = "here";
    reader.wall_ns = board.slot(1).wall_ns(board.slot(1).view().since_ns) + 2'500'000'000;
    reader.alive = [this](int process) { return process != dead && process != 99; };
  }
  std::string text() const { return board_report(board, reader); }

  ProgressBoard board{
      BoardInfo{.mesh = {.pipeline = 3}, .stage_of_chunk = {0, 1, 2}, .launcher_process = 99}};
  BoardReader reader;
  int dead = 0;
};

TEST_CASE("a live run's board says where every rank is and what it waits for") {
  const Scene scene;
  const std::string text = scene.text();
  CHECK_THAT(text, Contains("First cause: none recorded\n"));
  CHECK_THAT(text, Contains("launched by process 99 (gone)"));
  CHECK_THAT(text, Contains("    rank  stage  process  host          state    for  where\n"));
  CHECK_THAT(text, Contains("       0      0      100  here          alive  2.5 s  step 3, "
                            "instruction 0RG1: waits for the gradient of micro-batch 1 from "
                            "stage 1\n"));
  CHECK_THAT(text, Contains("       1      1      101  here          alive  2.5 s  step 3, "
                            "instruction 1F2\n"));
  CHECK_THAT(text, Contains("       2      2                 never started"));
}

TEST_CASE("ranks that connect, and ranks that wait for the others' end, say so alone") {
  Scene scene;
  scene.board.slot(0).set(Activity::joining);
  scene.board.slot(1).set(Activity::parting);
  CHECK_THAT(scene.text(), Contains(" s  connecting to the other ranks\n") &&
                               Contains(" s  waiting for the other ranks to end\n"));
}

TEST_CASE("the last row is the driver's, empty before it has begun") {
  Scene scene;
  CHECK_THAT(scene.text(), Contains("\n  driver  "));
  scene.board.driver().enter(100, "here");
  scene.board.driver().set(Activity::observing, 3, {});
  CHECK_THAT(scene.text(), Contains("alive") && Contains("driver, step 3, in an observer"));
  scene.board.driver().set(static_cast<Activity>(200));
  CHECK_THAT(scene.text(), Contains("this row of the board is not valid"));
}

TEST_CASE("the report shows the cause and processes that are dead, silent or on another host") {
  Scene scene;
  scene.board.name_cause(1, "stage 1, rank 1: process 101 is gone");
  scene.dead = 101;
  scene.board.slot(0).beat();
  scene.board.slot(2).enter(7, "there");
  scene.reader.wall_ns += 10'000'000'000;
  const std::string text = scene.text();
  CHECK_THAT(text, Contains("UTC: stage 1, rank 1: process 101 is gone\n"));
  CHECK_THAT(text, Contains("silent for 12.5 s"));
  CHECK_THAT(text, Contains(" dead "));
  CHECK_THAT(text, Contains("there") && Contains("unknown"));
}

TEST_CASE("a cause that another host has recorded counts where the board has none") {
  Scene scene;
  scene.reader.cause_elsewhere = Cause{.culprit_rank = 2, .text = "rank 2 fell", .wall_ns = 0};
  CHECK_THAT(scene.text(), Contains("First cause, 1970-01-01 00:00:00 UTC: rank 2 fell\n"));
  scene.board.name_cause(1, "rank 1 fell first");
  CHECK_THAT(scene.text(), Contains("rank 1 fell first") && !Contains("rank 2 fell"));
}

TEST_CASE("a dead run's durations end at the last sign of life") {
  Scene scene;
  scene.reader.alive = [](int) { return false; };
  scene.reader.wall_ns += 3'600'000'000'000;
  CHECK_THAT(scene.text(), Contains("dead  0.0 s  step 3, instruction 1F2"));
}

TEST_CASE("a row that no executor can have written is reported as not valid") {
  Scene scene;
  scene.board.slot(0).set(Activity::waiting, 3, {Op::receive_activation, 0, 0});
  scene.board.slot(1).set(static_cast<Activity>(200));
  const std::string text = scene.text();
  CHECK_THAT(text, Contains("100") && Contains("this row of the board is not valid"));
}

TEST_CASE("a run that has ended normally has no cause") {
  Scene scene;
  for (int rank = 0; rank < scene.board.ranks(); ++rank) {
    scene.board.slot(rank).set(Activity::ended);
  }
  CHECK_THAT(scene.text(), Catch::StartsWith("Every rank has ended normally\n"));
}

TEST_CASE("the operating system says which processes are alive") {
  CHECK(board_reader().alive(1));
  CHECK_FALSE(board_reader().alive(0x3fffffff));
  CHECK_FALSE(board_reader().host.empty());
}

TEST_CASE("a zombie process counts as dead") {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(board_reader().alive(child));
  ::waitpid(child, nullptr, 0);
}

TEST_CASE("a run is alive as long as one process that can be checked is") {
  Scene scene;
  CHECK(anybody_lives(scene.board, scene.reader));
  scene.reader.alive = [](int) { return false; };
  scene.board.slot(2).enter(7, "there");
  CHECK_FALSE(anybody_lives(scene.board, scene.reader));
}

}  // namespace
}  // namespace stagecraft
