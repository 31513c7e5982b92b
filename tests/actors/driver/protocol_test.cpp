// The order of the protocol, without time: CAF's deterministic scheduler runs the driver. Stages
// that only record messages show what the driver sent after each message that it received.
#include <caf/all.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "actors/driver/driver_actor.h"
#include "actors/failure/watchdog.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "models/optim/optimizer_config.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"

namespace stagecraft {
namespace {

using namespace test;

struct StepNotes : RunObserver {
  void on_step(const StepReport& report) override { losses.push_back(report.loss); }
  std::vector<double> losses;
};

/// A driver and two recording stages. Actors run only within `tell` and `pass`.
class Play {
 public:
  Play() {
    config_.optimizer.steps = 2;
    setup_->board = std::make_shared<ProgressBoard>(board_info(plan_, 1));
    setup_->plan = &plan_;
    setup_->config = &config_;
    setup_->observer = &observer;
    setup_->done = [this](RunResult value) { result = std::move(value); };
    driver_ = system_.spawn(driver_actor, setup_);
    std::vector<caf::strong_actor_ptr> all;
    for (const ReceivedPtr& received : received_) {
      stages_.push_back(system_.spawn(recording_stage, received));
      all.push_back(caf::actor_cast<caf::strong_actor_ptr>(stages_.back()));
    }
    caf::anon_send(driver_, ConnectAtom::value, all);
    scheduler_of(system_).run();
  }
  ~Play() {
    for (const StageActor& stage : stages_) {
      caf::anon_send_exit(stage, caf::exit_reason::user_shutdown);
    }
    caf::anon_send_exit(driver_, caf::exit_reason::user_shutdown);
    scheduler_of(system_).run();
  }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  template <class Message>
  void tell(const Message& message) {
    caf::anon_send(driver_, message);
    scheduler_of(system_).run();
  }

  void pass(std::chrono::seconds time) {
    scheduler_of(system_).advance_time(time);
    scheduler_of(system_).run();
  }

  /// Since the last call, both stages received exactly these messages in this order.
  template <class... Messages>
  bool both_got(const Messages&... messages) {
    const std::vector<std::string> images{image(system_, messages)...};
    const bool first = received_[0]->images.take() == images;
    return (received_[1]->images.take() == images) && first;
  }

  StepDone done(int rank, std::int64_t step) const {
    return {rank,
            step,
            rank == 1 ? std::vector{to_wire(8.0), to_wire(16.0)} : decltype(StepDone::losses){},
            {{rank, to_wire(rank == 0 ? 9.0 : 16.0)}}};
  }

  /// The driver's decision at a gradient norm of 5, which done() gives.
  ApplyUpdate update(std::int64_t step) const {
    return {step, to_wire(learning_rate_at(config_.optimizer, step)),
            to_wire(clip_factor(config_.optimizer, 5))};
  }

  StepNotes observer;
  std::optional<RunResult> result;

 private:
  TrainingPlan plan_ = two_stages();
  RunConfig config_;
  std::shared_ptr<DriverSetup> setup_ = std::make_shared<DriverSetup>();
  TestingConfig system_config_;
  caf::actor_system system_{system_config_};
  ReceivedPtr received_[2] = {std::make_shared<Received>(), std::make_shared<Received>()};
  DriverActor driver_;
  std::vector<StageActor> stages_;
};

}  // namespace

TEST_CASE("two steps: each waits for all ranks, and Finish follows the last") {
  Play play;
  CHECK(play.both_got());
  play.tell(Ready{1});
  CHECK(play.both_got());
  play.tell(Ready{0});
  CHECK(play.both_got(TrainStep{1}));
  play.tell(play.done(1, 1));
  CHECK(play.both_got());
  play.tell(play.done(0, 1));
  CHECK(play.both_got(play.update(1), TrainStep{2}));
  CHECK(play.observer.losses == std::vector{24.0 / 8});
  play.tell(play.done(0, 2));
  CHECK(play.both_got());
  play.tell(play.done(1, 2));
  CHECK(play.both_got(play.update(2), Finish{false}));
  play.tell(StageEnded{0});
  CHECK_FALSE(play.result.has_value());
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->steps == 2);
  CHECK(play.result->failure.empty());
  CHECK_FALSE(play.result->actor_lost);
}

TEST_CASE("a failure ends all stages, the first text is kept, and no update follows") {
  Play play;
  play.tell(Ready{0});
  play.tell(Ready{1});
  CHECK(play.both_got(TrainStep{1}));
  play.tell(RunFailed{"stage 1 fell"});
  CHECK(play.both_got(Finish{true}));
  play.tell(RunFailed{"stage 0 fell over it"});
  play.tell(play.done(0, 1));
  play.tell(play.done(1, 1));
  CHECK(play.both_got());
  play.tell(StageEnded{1});
  play.tell(StageEnded{0});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "stage 1 fell");
  CHECK_FALSE(play.result->actor_lost);
}

TEST_CASE("a stage that has not ended some seconds after a failure is lost") {
  Play play;
  play.tell(RunFailed{"stage 1 fell"});
  play.tell(StageEnded{0});
  CHECK_FALSE(play.result.has_value());
  play.pass(std::chrono::seconds(5));
  REQUIRE(play.result.has_value());
  CHECK(play.result->actor_lost);
}

TEST_CASE("a gradient that is not finite ends the run instead of an update") {
  Play play;
  play.tell(Ready{0});
  play.tell(Ready{1});
  CHECK(play.both_got(TrainStep{1}));
  StepDone broken = play.done(0, 1);
  broken.squares[0].square = kNan;
  play.tell(broken);
  play.tell(play.done(1, 1));
  CHECK(play.both_got(Finish{true}));
}

}  // namespace stagecraft
