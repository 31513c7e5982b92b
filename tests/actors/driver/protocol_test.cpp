// The order of the protocol, without time: CAF's deterministic scheduler runs the driver. Stages
// that only record messages show what the driver sent after each message that it received.
#include <fmt/core.h>

#include <caf/all.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>
#include <utility>

#include "actors/driver/driver_actor.h"
#include "actors/failure/watchdog.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "kernels/base/error.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "models/optim/optimizer_config.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using namespace test;

struct EventNotes : RunObserver {
  void on_start() override { events.emplace_back("start"); }
  void on_step(const StepReport& report) override {
    if (on_step_hook) {
      on_step_hook();
    }
    losses.push_back(report.loss);
    events.push_back(fmt::format("step {}", report.step));
  }
  void on_evaluation_begin(std::int64_t step) override {
    events.push_back(fmt::format("evaluation after {}", step));
  }
  void on_evaluation_end(const EvaluationReport& report) override {
    events.push_back(report.loss ? fmt::format("validation {}", *report.loss)
                                 : fmt::format("{} of {} batches", report.done, report.batches));
  }
  void on_model_written(const std::filesystem::path& /*folder*/) override {
    events.emplace_back("model");
  }
  std::vector<std::string> take() { return std::exchange(events, {}); }
  std::function<void()> on_step_hook;
  std::vector<double> losses;
  std::vector<std::string> events;
};

/// A driver and two recording stages. Actors run only within `tell` and `pass`.
class Play {
 public:
  explicit Play(const std::function<void(RunConfig&, DriverSetup&)>& change = {}) {
    config_.optimizer.steps = 2;
    setup_->board = std::make_shared<ProgressBoard>(board_info(plan_, 1));
    setup_->plan = &plan_;
    setup_->config = &config_;
    setup_->observers = {observer, second_observer};
    setup_->done = [this](RunResult value) { result = std::move(value); };
    if (change) {
      change(config_, *setup_);
    }
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

  void make_ready() {
    tell(Ready{0});
    tell(Ready{1});
  }

  /// Losses of 24 over 8 tokens; a gradient norm of 5.
  static PassDone results(std::int64_t step) {
    return {
        {PassKind::train, step, 0},
        {{0, {}, {{0, to_wire(9.0)}}}, {1, {to_wire(8.0), to_wire(16.0)}, {{1, to_wire(16.0)}}}}};
  }
  static PassDone batch(std::int64_t step, std::int64_t batch, double loss) {
    return {{PassKind::evaluate, step, batch}, {{0, {}, {}}, {1, {to_wire(loss)}, {}}}};
  }

  /// The driver's decision at a gradient norm of 5, which results() gives.
  ApplyUpdate update(std::int64_t step, std::vector<PassRange> next) const {
    return {step, to_wire(learning_rate_at(config_.optimizer, step)),
            to_wire(clip_factor(config_.optimizer, 5)), std::move(next)};
  }

  ProgressBoard& board() { return *setup_->board; }
  std::string driver_location() const { return driver_text(setup_->board->driver().view()); }

  EventNotes observer;
  EventNotes second_observer;
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

TEST_CASE("driver: a step waits for all ranks, and its update says what follows") {
  Play play;
  CHECK(play.both_got());
  CHECK(play.driver_location() == "driver, waits for the ranks to start");
  play.tell(Ready{1});
  CHECK(play.both_got());
  play.tell(Ready{0});
  CHECK(play.both_got(train(1)));
  CHECK(play.driver_location() == "driver, step 1, waits for the ranks");
  play.tell(Play::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::train, 2}})));
  CHECK(play.driver_location() == "driver, step 2, waits for the ranks");
  CHECK(play.observer.losses == std::vector{24.0 / 8});
  play.tell(Play::results(2));
  CHECK(play.both_got(play.update(2, {}), Finish{false}));
  CHECK(play.driver_location() == "driver, waits for the ranks to end");
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "step 2"});
  CHECK(play.second_observer.take() == std::vector<std::string>{"start", "step 1", "step 2"});
  play.tell(StageEnded{0});
  play.tell(StageEnded{0});  // counts once
  play.tell(StageEnded{2});  // no rank
  CHECK_FALSE(play.result.has_value());
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->steps == 2);
  CHECK(play.result->failure.empty());
  CHECK_FALSE(play.result->actor_lost);
  CHECK(play.driver_location() == "driver, at its end");
}

TEST_CASE("driver: observers are called after the update is ordered") {
  Play play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  std::string location;
  play.observer.on_step_hook = [&] { location = play.driver_location(); };
  play.tell(Play::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::train, 2}})));
  CHECK(location == "driver, step 1, in an observer of the run (metrics, terminal)");
}

TEST_CASE("driver: an observer that throws ends the run after the update was ordered") {
  Play play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.observer.on_step_hook = [] { throw Error("metrics.jsonl", "the disk is full"); };
  play.tell(Play::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::train, 2}}), Finish{true}));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "driver, step 1: [metrics.jsonl] the disk is full");
}

TEST_CASE("driver: an evaluation is ordered with the update, and the next step behind its end") {
  Play play([](RunConfig& config, DriverSetup& setup) {
    config.options.eval_every = 1;
    setup.evaluation_samples = 3;  // two batches of two
  });
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(Play::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::evaluate, 1, 2}})));
  play.tell(Play::batch(1, 1, 12));
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "evaluation after 1"});
  CHECK(play.both_got());
  play.tell(Play::batch(1, 0, 24));
  CHECK(play.observer.take() == std::vector<std::string>{"validation 3"});  // 36 / 12 tokens
  CHECK(play.both_got(train(2)));
  play.tell(Play::results(2));
  CHECK(play.both_got(play.update(2, {}), evaluate(2, 0, 2)));
  play.tell(Play::batch(2, 0, 24));
  CHECK(play.both_got());
  play.tell(Play::batch(2, 1, 12));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: of a long evaluation few batches are ordered ahead") {
  Play play([](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    setup.evaluation_samples = 10;  // five batches
  });
  play.make_ready();
  play.tell(Play::results(1));
  CHECK(play.both_got(train(1), play.update(1, {}), evaluate(1, 0, 3)));  // two stages, and one
  for (const std::int64_t batch : {0, 1}) {
    play.tell(Play::batch(1, batch, 16));
    CHECK(play.both_got(evaluate(1, batch + 3, 1)));
  }
  for (const std::int64_t batch : {2, 3}) {
    play.tell(Play::batch(1, batch, 16));
    CHECK(play.both_got());
  }
  play.tell(Play::batch(1, 4, 16));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: a validation loss that is not finite ends the run") {
  Play play([](RunConfig& config, DriverSetup& setup) {
    config.options.eval_every = 1;
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(Play::results(1));
  play.tell(Play::batch(1, 0, std::nan("")));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "step 1: the validation loss is nan; lower train.learning_rate");
}

TEST_CASE("driver: the priming step and one batch come before step 1, and change nothing") {
  Play play([](RunConfig& config, DriverSetup& setup) {
    config.prime = true;
    setup.evaluation_samples = 3;
  });
  play.make_ready();
  CHECK(play.both_got(train(0)));
  play.tell(Play::results(0));
  CHECK(play.both_got(ApplyUpdate{0, to_wire(0.0), to_wire(0.0), {{PassKind::evaluate, 0, 1}}}));
  CHECK(play.observer.take().empty());
  play.tell(Play::batch(0, 0, 24));
  CHECK(play.both_got(train(1)));
  CHECK(play.observer.take() == std::vector<std::string>{"start"});
}

TEST_CASE("driver: a stop makes the step that is decided next the last one, without evaluation") {
  bool stop = false;
  Play play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 9;
    config.stop_requested = [&] { return stop; };
    config.options.eval_every = 2;
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(Play::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::train, 2}})));
  stop = true;  // step 2 is ordered already
  play.tell(Play::results(2));
  CHECK(play.both_got(play.update(2, {}), Finish{false}));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->stopped_early);
  CHECK(play.result->steps == 2);
}

TEST_CASE("driver: a stop in an evaluation cuts it short, and no further step is trained") {
  bool stop = false;
  Play play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 9;
    config.stop_requested = [&] { return stop; };
    config.options.eval_every = 1;
    setup.evaluation_samples = 20;  // ten batches
  });
  play.make_ready();
  play.tell(Play::results(1));
  CHECK(play.both_got(train(1), play.update(1, {{PassKind::evaluate, 1, 3}})));
  play.tell(Play::batch(1, 0, 16));
  CHECK(play.both_got(evaluate(1, 3, 1)));
  stop = true;
  for (const std::int64_t batch : {1, 2}) {
    play.tell(Play::batch(1, batch, 16));
    CHECK(play.both_got());
  }
  play.tell(Play::batch(1, 3, 16));
  CHECK(play.both_got(Finish{false}));
  CHECK(play.observer.take() ==
        std::vector<std::string>{"start", "step 1", "evaluation after 1", "4 of 10 batches"});
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->stopped_early);
  CHECK(play.result->steps == 1);
  CHECK_FALSE(play.result->validation_loss.has_value());
}

TEST_CASE("driver: a stop in the last evaluation cuts it short, and the run is complete") {
  bool stop = false;
  Play play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.stop_requested = [&] { return stop; };
    setup.evaluation_samples = 20;
  });
  play.make_ready();
  play.tell(Play::results(1));
  CHECK(play.both_got(train(1), play.update(1, {}), evaluate(1, 0, 3)));
  stop = true;
  for (const std::int64_t batch : {0, 1, 2}) {
    play.tell(Play::batch(1, batch, 16));
  }
  CHECK(play.both_got(Finish{false}));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK_FALSE(play.result->stopped_early);
  CHECK_FALSE(play.result->validation_loss.has_value());
}

TEST_CASE("driver: a stop while the model is written leaves the last evaluation out") {
  const TemporaryFolder folder;
  bool stop = false;
  Play play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
    config.stop_requested = [&] { return stop; };
    setup.evaluation_samples = 20;
  });
  play.make_ready();
  play.tell(Play::results(1));
  stop = true;
  play.tell(ModelWritten{0});
  play.tell(ModelWritten{1});
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "model",
                                                         "evaluation after 1", "0 of 10 batches"});
}

TEST_CASE("driver: the model is written before the last evaluation") {
  const TemporaryFolder folder;
  Play play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(Play::results(1));
  const std::filesystem::path weights = folder.path() / "model" / "model.safetensors";
  CHECK(play.both_got(train(1), play.update(1, {}), WriteModel{weights.string() + ".unfinished"}));
  play.tell(ModelWritten{0});
  play.tell(ModelWritten{1});
  CHECK(std::filesystem::exists(weights));
  CHECK(play.both_got(evaluate(1, 0, 1)));
  CHECK(play.observer.take() ==
        std::vector<std::string>{"start", "step 1", "model", "evaluation after 1"});
  play.tell(Play::batch(1, 0, 16));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: the model gets its names when every rank has written its part") {
  const TemporaryFolder folder;
  Play play([&](RunConfig& config, DriverSetup&) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
  });
  play.make_ready();
  play.tell(Play::results(1));
  const std::filesystem::path weights = folder.path() / "model" / "model.safetensors";
  CHECK(play.both_got(train(1), play.update(1, {}), WriteModel{weights.string() + ".unfinished"}));
  play.tell(ModelWritten{1});
  CHECK_FALSE(std::filesystem::exists(weights));
  CHECK(play.both_got());
  play.tell(ModelWritten{0});
  CHECK(std::filesystem::exists(weights));
  CHECK(play.both_got(Finish{false}));
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "model"});
}

TEST_CASE("driver: a message of a wrong rank, step or phase ends the run by name") {
  struct Case {
    std::function<void(Play&)> tell;
    std::string failure;
  };
  const auto results_without_rank_1 = [] {
    PassDone results = Play::results(1);
    results.ranks.pop_back();
    return results;
  };
  const auto results_of_rank_2 = [] {
    PassDone results = Play::results(1);
    results.ranks[1].rank = 2;
    return results;
  };
  const std::vector<Case> cases = {
      {[](Play& play) { play.tell(Ready{2}); }, "Ready came from rank 2, but there are 2 ranks"},
      {[](Play& play) {
         play.tell(Ready{1});
         play.tell(Ready{1});
       },
       "Ready came twice from rank 1"},
      {[](Play& play) { play.tell(Play::results(1)); },
       "the results of step 1 came while the driver waits for the ranks to start"},
      {[](Play& play) {
         play.make_ready();
         play.tell(Play::results(2));
       },
       "the results of step 2 came while the driver waits for the results of step 1"},
      {[](Play& play) {
         play.make_ready();
         play.tell(Play::batch(1, 0, 2));
       },
       "batch 0 of the evaluation after step 1 came while the driver waits for the results of "
       "step 1"},
      {[](Play& play) {
         play.make_ready();
         play.tell(ModelWritten{0});
       },
       "ModelWritten came while the driver waits for the results of step 1"},
      {[&](Play& play) {
         play.make_ready();
         play.tell(results_without_rank_1());
       },
       "results of 1 ranks have come, but there are 2"},
      {[&](Play& play) {
         play.make_ready();
         play.tell(results_of_rank_2());
       },
       "the results of rank 2 stand where those of rank 1 should"}};
  for (const Case& c : cases) {
    Play play;
    c.tell(play);
    play.tell(StageEnded{0});
    play.tell(StageEnded{1});
    REQUIRE(play.result.has_value());
    CHECK_THAT(play.result->failure, Catch::Matchers::Contains("[protocol] " + c.failure));
  }
}

TEST_CASE("driver: a failure ends all stages, the first text is kept, and no update follows") {
  Play play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(RunFailed{"stage 1 fell"});
  CHECK(play.both_got(Finish{true}));
  play.tell(RunFailed{"stage 0 fell over it"});
  play.tell(Play::results(1));
  CHECK(play.both_got());
  play.tell(StageEnded{1});
  play.tell(StageEnded{0});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "stage 1 fell");
  CHECK_FALSE(play.result->actor_lost);
}

TEST_CASE("driver: a cause that the board has already is the first one") {
  Play play;
  play.make_ready();
  play.board().name_cause(1, "stage 1 is stuck");
  play.observer.on_step_hook = [] { throw Error("metrics.jsonl", "the disk is full"); };
  play.tell(Play::results(1));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "stage 1 is stuck");
}

TEST_CASE("driver: a stage that has not ended some seconds after a failure is lost") {
  Play play;
  play.tell(RunFailed{"stage 1 fell"});
  play.tell(StageEnded{0});
  CHECK_FALSE(play.result.has_value());
  play.pass(std::chrono::seconds(5));
  REQUIRE(play.result.has_value());
  CHECK(play.result->actor_lost);
}

TEST_CASE("driver: a gradient that is not finite ends the run instead of an update") {
  Play play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  PassDone broken = Play::results(1);
  broken.ranks[0].squares[0].square = kNan;
  play.tell(broken);
  CHECK(play.both_got(Finish{true}));
}

}  // namespace stagecraft
