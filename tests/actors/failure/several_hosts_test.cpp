// The failure monitors of two hosts that share nothing: each host has its own board, in a folder of
// its own, and only messages pass between them.
#include <caf/all.hpp>
#include <catch2/catch.hpp>

#include "actors/failure/failure_monitor.h"
#include "actors/failure/watchdog.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using namespace test;

/// One rank on each of two hosts, `first` and `second`.
class TwoHosts {
 public:
  TwoHosts() {
    driver_ = system_.spawn(recording_driver, received_);
    for (Host* host : {&first, &second}) {
      host->monitor = system_.spawn(failure_monitor, host->setup());
    }
    settle();
  }
  ~TwoHosts() {
    for (Host* host : {&first, &second}) {
      host->aborts.clear();
      caf::anon_send_exit(host->monitor, caf::exit_reason::user_shutdown);
      host->monitor = nullptr;
    }
    caf::anon_send_exit(driver_, caf::exit_reason::user_shutdown);
    settle();
  }
  TwoHosts(const TwoHosts&) = delete;
  TwoHosts& operator=(const TwoHosts&) = delete;

  struct Host {
    explicit Host(std::string the_name) : name(std::move(the_name)) {
      board = std::make_shared<ProgressBoard>(
          ProgressBoard::create(board_info(two_stages(), 1), folder.path() / "board"));
      board->slot(0).enter(100, "first");
      board->slot(1).enter(101, "second");
    }
    std::shared_ptr<FailureMonitorSetup> setup() {
      auto made = std::make_shared<FailureMonitorSetup>();
      made->board = board;
      made->abort = [this](std::string_view cause) { aborts.emplace_back(cause); };
      made->relay.emplace(board, name);
      return made;
    }
    Activity activity(int rank) const { return std::as_const(*board).slot(rank).view().activity; }

    TemporaryFolder folder;
    std::string name;
    std::shared_ptr<ProgressBoard> board;
    std::vector<std::string> aborts;
    FailureMonitor monitor;
  };

  void settle() { scheduler_of(system_).run(); }
  /// What the driver says to every monitor that has joined.
  void introduce() {
    for (Host* host : {&first, &second}) {
      tell(*host, JoinAtom::value, caf::actor_cast<caf::strong_actor_ptr>(driver_));
      tell(*host, ConnectAtom::value, caf::actor_cast<caf::strong_actor_ptr>(first.monitor));
    }
  }
  void pass_period() {
    scheduler_of(system_).trigger_timeouts();
    settle();
  }
  template <class... Message>
  void tell(Host& host, const Message&... message) {
    caf::anon_send(host.monitor, message...);
    settle();
  }
  template <class... Messages>
  bool driver_got(const Messages&... messages) {
    return received_->images.take() == std::vector<std::string>{image(system_, messages)...};
  }

  Host first{"first"};
  Host second{"second"};

 private:
  TestingConfig system_config_;
  caf::actor_system system_{system_config_};
  ReceivedPtr received_ = std::make_shared<Received>();
  DriverActor driver_;
};

}  // namespace

TEST_CASE("two hosts: each sees where the other's ranks are, again and again") {
  TwoHosts play;
  play.second.board->slot(1).set(Activity::running, 3, {Op::forward, 1, 2});
  CHECK(play.first.activity(1) == Activity::starting);
  play.introduce();
  CHECK(play.first.activity(1) == Activity::running);
  play.first.board->slot(0).set(Activity::writing);
  play.second.board->slot(1).set(Activity::reporting);
  play.pass_period();
  CHECK(play.first.activity(1) == Activity::reporting);
  CHECK(play.second.activity(0) == Activity::writing);
  CHECK(play.second.activity(1) == Activity::reporting);
  play.second.board->slot(1).set(Activity::idle);
  play.pass_period();
  CHECK(play.first.activity(1) == Activity::idle);
}

TEST_CASE("two hosts: a cause that one has found is the other's, with its culprit") {
  TwoHosts play;
  play.introduce();
  play.tell(play.second, StageFailed{1, "stage 1 fell", false});
  CHECK_FALSE(play.first.board->failed());
  REQUIRE(play.driver_got(RunFailed{"stage 1 fell", 1}));
  play.tell(play.first, RunFailed{"stage 1 fell", 1});  // as the driver does
  REQUIRE(play.first.board->cause().has_value());
  CHECK(play.first.board->cause()->text == "stage 1 fell");
  CHECK(play.first.board->cause()->culprit_rank == 1);
  CHECK(play.first.aborts == std::vector<std::string>{"stage 1 fell"});
}

TEST_CASE("two hosts: the end of the run stops the rows, and blames nobody") {
  TwoHosts play;
  play.second.board->slot(1).beat();
  play.introduce();
  CHECK(std::as_const(*play.first.board).slot(1).view().heartbeat_ns != 0);
  play.tell(play.first, Finish{});
  CHECK(play.first.activity(1) == Activity::parting);
  CHECK(std::as_const(*play.first.board).slot(1).view().heartbeat_ns == 0);
  play.pass_period();  // nobody answers the second host any more
  play.tell(play.second, Finish{});
  CHECK(play.second.activity(0) == Activity::parting);
}

}  // namespace stagecraft
