// What the failure monitor does with each message, under CAF's deterministic scheduler.
#include <caf/all.hpp>
#include <catch2/catch.hpp>

#include "actors/failure/failure_monitor.h"
#include "actors/failure/watchdog.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"

namespace stagecraft {
namespace {

using namespace test;
using Texts = std::vector<std::string>;

/// A failure monitor and a recording driver, which the monitor does not know until join().
class Guarded {
 public:
  Guarded() {
    setup_->board = board;
    setup_->abort = [this](std::string_view culprit) { aborts.emplace_back(culprit); };
    monitor_ = system_.spawn(failure_monitor, setup_);
    monitor_->attach_functor([this] { ended = true; });
    driver_ = system_.spawn(recording_driver, received_);
    scheduler_of(system_).run();
  }
  ~Guarded() {
    caf::anon_send_exit(monitor_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(driver_, caf::exit_reason::user_shutdown);
    scheduler_of(system_).run();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  template <class... Message>
  void tell(const Message&... message) {
    caf::anon_send(monitor_, message...);
    scheduler_of(system_).run();
  }
  void join() { tell(JoinAtom::value, caf::actor_cast<caf::strong_actor_ptr>(driver_)); }

  /// Since the last call, the driver got these and nothing else.
  template <class... Messages>
  bool driver_got(const Messages&... messages) {
    return received_->images.take() == Texts{image(system_, messages)...};
  }

  std::shared_ptr<ProgressBoard> board =
      std::make_shared<ProgressBoard>(board_info(two_stages(), 1));
  Texts aborts;
  bool ended = false;

 private:
  std::shared_ptr<FailureMonitorSetup> setup_ = std::make_shared<FailureMonitorSetup>();
  TestingConfig system_config_;
  caf::actor_system system_{system_config_};
  ReceivedPtr received_ = std::make_shared<Received>();
  FailureMonitor monitor_;
  DriverActor driver_;
};

}  // namespace

TEST_CASE(
    "failure monitor: the first failure is named, aborts the world and reaches the driver, once") {
  Guarded play;
  play.join();
  CHECK(play.driver_got());
  play.tell(StageFailed{1, "stage 1 fell", false});
  CHECK(play.aborts == Texts{"stage 1 fell"});
  CHECK(play.driver_got(RunFailed{"stage 1 fell", 1}));
  REQUIRE(play.board->cause().has_value());
  CHECK(play.board->cause()->culprit_rank == 1);
  CHECK(play.board->cause()->text == "stage 1 fell");
  play.tell(StageFailed{0, "stage 0 fell over it", false});
  play.tell(RunFailed{"the driver's echo"});
  CHECK(play.aborts == Texts{"stage 1 fell"});
  CHECK(play.driver_got());
  CHECK(play.board->cause()->text == "stage 1 fell");
}

TEST_CASE("failure monitor: a stage that was woken by an abort is no cause") {
  Guarded play;
  play.join();
  play.tell(StageFailed{0, "aborted", true});
  CHECK(play.aborts.empty());
  CHECK(play.driver_got());
  CHECK_FALSE(play.board->failed());
  play.tell(StageFailed{1, "stage 1 fell", false});
  CHECK(play.aborts == Texts{"stage 1 fell"});
  CHECK(play.driver_got(RunFailed{"stage 1 fell", 1}));
}

TEST_CASE(
    "failure monitor: a failure before the driver is known wakes all at once, and is told at its "
    "join") {
  Guarded play;
  play.tell(StageFailed{0, "no weights", false});
  CHECK(play.aborts == Texts{"no weights"});
  CHECK(play.driver_got());
  play.join();
  CHECK(play.driver_got(RunFailed{"no weights", 0}));
  CHECK(play.aborts.size() == 1);
}

TEST_CASE("failure monitor: where the board has a cause already, that one is told") {
  Guarded play;
  play.join();
  CHECK(play.board->name_cause(0, "rank 0 was first"));
  SECTION("by a stage of this process") { play.tell(StageFailed{1, "later", false}); }
  SECTION("by the watchdog, or by another process's monitor through the driver") {
    play.tell(RunFailed{"later"});
  }
  CHECK(play.aborts == Texts{"rank 0 was first"});
  CHECK(play.driver_got(RunFailed{"rank 0 was first", 0}));
}

TEST_CASE("failure monitor: a cause without a stage is nobody's, and ends the run alike") {
  Guarded play;
  play.join();
  play.tell(RunFailed{"all ranks wait for each other"});
  CHECK(play.aborts == Texts{"all ranks wait for each other"});
  CHECK(play.driver_got(RunFailed{"all ranks wait for each other"}));
  CHECK(play.board->cause()->culprit_rank == -1);
}

TEST_CASE("failure monitor: it lives until the run has ended, through every failure") {
  Guarded play;
  play.join();
  play.tell(StageFailed{1, "stage 1 fell", false});
  CHECK_FALSE(play.ended);
  play.tell(Finish{});
  CHECK(play.ended);
  CHECK(play.driver_got(RunFailed{"stage 1 fell", 1}));
}

}  // namespace stagecraft
