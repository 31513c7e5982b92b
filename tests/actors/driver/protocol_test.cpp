// What the driver sends after each message, over the life of a run.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/error.h"
#include "tests/actors/driver/driver_play.h"
#include "tests/temporary_folder.h"

namespace stagecraft {

using namespace test;

TEST_CASE("driver: a step waits for all ranks, and its update says what follows") {
  DriverPlay play;
  CHECK(play.both_got());
  CHECK(play.driver_location() == "driver, waits for the ranks to start");
  play.tell(Ready{1});
  CHECK(play.both_got());
  play.tell(Ready{0});
  CHECK(play.both_got(train(1)));
  CHECK(play.driver_location() == "driver, step 1, waits for the ranks");
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {step_of_8(2)})));
  CHECK(play.driver_location() == "driver, step 2, waits for the ranks");
  CHECK(play.observer.losses == std::vector{24.0 / 8});
  play.tell(DriverPlay::results(2));
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

TEST_CASE("driver: the counts of a step are known a step ahead, and ordered with it") {
  std::vector<std::int64_t> counted;
  DriverPlay play([&](RunConfig&, DriverSetup& setup) {
    setup.counts = [&](const Pass& pass) {
      counted.push_back(pass.step);
      return LossCounts{8 * pass.step};
    };
  });
  play.make_ready();
  CHECK(play.both_got(train(1)));
  CHECK(counted == std::vector<std::int64_t>{1, 2});
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {{.kind = PassKind::train, .step = 2, .counts = {16}}})));
  CHECK(counted == std::vector<std::int64_t>{1, 2, 3});
  play.tell(DriverPlay::results(2));
  CHECK(play.observer.losses == std::vector{24.0 / 8, 24.0 / 16});
}

TEST_CASE("driver: observers are called after the update is ordered") {
  DriverPlay play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  std::string location;
  play.observer.on_step_hook = [&] { location = play.driver_location(); };
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {step_of_8(2)})));
  CHECK(location == "driver, step 1, in an observer of the run (metrics, terminal)");
}

TEST_CASE("driver: an observer that throws ends the run after the update was ordered") {
  DriverPlay play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.observer.on_step_hook = [] { throw Error("metrics.jsonl", "the disk is full"); };
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {step_of_8(2)}), Finish{true}));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "driver, step 1: [metrics.jsonl] the disk is full");
}

TEST_CASE("driver: an evaluation is ordered with the update, and the next step behind its end") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    config.options.eval_every = 1;
    setup.evaluation_samples = 3;  // two batches of two
  });
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {{PassKind::evaluate, 1, 2}})));
  play.tell(DriverPlay::batch(1, 1, 12));
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "evaluation after 1"});
  CHECK(play.both_got());
  play.tell(DriverPlay::batch(1, 0, 24));
  CHECK(play.observer.take() == std::vector<std::string>{"validation 3"});  // 36 / 12 tokens
  CHECK(play.both_got(train(2)));
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(play.update(2, {}), evaluate(2, 0, 2)));
  play.tell(DriverPlay::batch(2, 0, 24));
  CHECK(play.both_got());
  play.tell(DriverPlay::batch(2, 1, 12));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: of a long evaluation few batches are ordered ahead") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    setup.evaluation_samples = 10;  // five batches
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, {}), evaluate(1, 0, 3)));  // two stages, and one
  for (const std::int64_t batch : {0, 1}) {
    play.tell(DriverPlay::batch(1, batch, 16));
    CHECK(play.both_got(evaluate(1, batch + 3, 1)));
  }
  for (const std::int64_t batch : {2, 3}) {
    play.tell(DriverPlay::batch(1, batch, 16));
    CHECK(play.both_got());
  }
  play.tell(DriverPlay::batch(1, 4, 16));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: a validation loss that is not finite ends the run") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    config.options.eval_every = 1;
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  play.tell(DriverPlay::batch(1, 0, std::nan("")));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "step 1: the validation loss is nan; lower train.learning_rate");
}

TEST_CASE("driver: the priming step and one batch come before step 1, and change nothing") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    config.prime = true;
    setup.evaluation_samples = 3;
  });
  play.make_ready();
  CHECK(play.both_got(train(0)));
  play.tell(DriverPlay::results(0));
  CHECK(play.both_got(ApplyUpdate{0, to_wire(0.0), to_wire(0.0), {{PassKind::evaluate, 0, 1}}}));
  CHECK(play.observer.take().empty());
  play.tell(DriverPlay::batch(0, 0, 24));
  CHECK(play.both_got(train(1)));
  CHECK(play.observer.take() == std::vector<std::string>{"start"});
}

TEST_CASE("driver: a stop makes the step that is decided next the last one, without evaluation") {
  bool stop = false;
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 9;
    config.stop_requested = [&] { return stop; };
    config.options.eval_every = 2;
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(play.update(1, {step_of_8(2)})));
  stop = true;  // step 2 is ordered already
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(play.update(2, {}), Finish{false}));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->stopped_early);
  CHECK(play.result->steps == 2);
}

TEST_CASE("driver: a stop in an evaluation cuts it short, and no further step is trained") {
  bool stop = false;
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 9;
    config.stop_requested = [&] { return stop; };
    config.options.eval_every = 1;
    setup.evaluation_samples = 20;  // ten batches
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, {{PassKind::evaluate, 1, 3}})));
  play.tell(DriverPlay::batch(1, 0, 16));
  CHECK(play.both_got(evaluate(1, 3, 1)));
  stop = true;
  for (const std::int64_t batch : {1, 2}) {
    play.tell(DriverPlay::batch(1, batch, 16));
    CHECK(play.both_got());
  }
  play.tell(DriverPlay::batch(1, 3, 16));
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
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.stop_requested = [&] { return stop; };
    setup.evaluation_samples = 20;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, {}), evaluate(1, 0, 3)));
  stop = true;
  for (const std::int64_t batch : {0, 1, 2}) {
    play.tell(DriverPlay::batch(1, batch, 16));
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
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
    config.stop_requested = [&] { return stop; };
    setup.evaluation_samples = 20;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  stop = true;
  play.tell(ModelWritten{0});
  play.tell(ModelWritten{1});
  CHECK(play.observer.take() == std::vector<std::string>{"start", "step 1", "model",
                                                         "evaluation after 1", "0 of 10 batches"});
}

TEST_CASE("driver: the model is written before the last evaluation") {
  const TemporaryFolder folder;
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  const std::filesystem::path weights = folder.path() / "model" / "model.safetensors";
  CHECK(play.both_got(train(1), play.update(1, {}), WriteModel{weights.string() + ".unfinished"}));
  play.tell(ModelWritten{0});
  play.tell(ModelWritten{1});
  CHECK(std::filesystem::exists(weights));
  CHECK(play.both_got(evaluate(1, 0, 1)));
  CHECK(play.observer.take() ==
        std::vector<std::string>{"start", "step 1", "model", "evaluation after 1"});
  play.tell(DriverPlay::batch(1, 0, 16));
  CHECK(play.both_got(Finish{false}));
}

TEST_CASE("driver: the model gets its names when every rank has written its part") {
  const TemporaryFolder folder;
  DriverPlay play([&](RunConfig& config, DriverSetup&) {
    config.optimizer.steps = 1;
    config.model_folder = folder.path() / "model";
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
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
    std::function<void(DriverPlay&)> tell;
    std::string failure;
  };
  const auto results_without_rank_1 = [] {
    PassDone results = DriverPlay::results(1);
    results.ranks.pop_back();
    return results;
  };
  const auto results_of_rank_2 = [] {
    PassDone results = DriverPlay::results(1);
    results.ranks[1].rank = 2;
    return results;
  };
  const std::vector<Case> cases = {
      {[](DriverPlay& play) { play.tell(Ready{2}); },
       "Ready came from rank 2, but there are 2 ranks"},
      {[](DriverPlay& play) {
         play.tell(Ready{1});
         play.tell(Ready{1});
       },
       "Ready came twice from rank 1"},
      {[](DriverPlay& play) { play.tell(DriverPlay::results(1)); },
       "the results of step 1 came while the driver waits for the ranks to start"},
      {[](DriverPlay& play) {
         play.make_ready();
         play.tell(DriverPlay::results(2));
       },
       "the results of step 2 came while the driver waits for the results of step 1"},
      {[](DriverPlay& play) {
         play.make_ready();
         play.tell(DriverPlay::batch(1, 0, 2));
       },
       "batch 0 of the evaluation after step 1 came while the driver waits for the results of "
       "step 1"},
      {[](DriverPlay& play) {
         play.make_ready();
         play.tell(ModelWritten{0});
       },
       "ModelWritten came while the driver waits for the results of step 1"},
      {[&](DriverPlay& play) {
         play.make_ready();
         play.tell(results_without_rank_1());
       },
       "results of 1 ranks have come, but there are 2"},
      {[&](DriverPlay& play) {
         play.make_ready();
         play.tell(results_of_rank_2());
       },
       "the results of rank 2 stand where those of rank 1 should"}};
  for (const Case& c : cases) {
    DriverPlay play;
    c.tell(play);
    play.tell(StageEnded{0});
    play.tell(StageEnded{1});
    REQUIRE(play.result.has_value());
    CHECK_THAT(play.result->failure, Catch::Matchers::Contains("[protocol] " + c.failure));
  }
}

TEST_CASE("driver: a failure ends all stages, the first text is kept, and no update follows") {
  DriverPlay play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  play.tell(RunFailed{"stage 1 fell"});
  CHECK(play.both_got(Finish{true}));
  play.tell(RunFailed{"stage 0 fell over it"});
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got());
  play.tell(StageEnded{1});
  play.tell(StageEnded{0});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "stage 1 fell");
  CHECK_FALSE(play.result->actor_lost);
}

TEST_CASE("driver: a cause that the board has already is the first one") {
  DriverPlay play;
  play.make_ready();
  play.board().name_cause(1, "stage 1 is stuck");
  play.observer.on_step_hook = [] { throw Error("metrics.jsonl", "the disk is full"); };
  play.tell(DriverPlay::results(1));
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK(play.result->failure == "stage 1 is stuck");
}

TEST_CASE("driver: a stage that has not ended some seconds after a failure is lost") {
  DriverPlay play;
  play.tell(RunFailed{"stage 1 fell"});
  play.tell(StageEnded{0});
  CHECK_FALSE(play.result.has_value());
  play.pass(std::chrono::seconds(5));
  REQUIRE(play.result.has_value());
  CHECK(play.result->actor_lost);
}

TEST_CASE("driver: a gradient that is not finite ends the run instead of an update") {
  DriverPlay play;
  play.make_ready();
  CHECK(play.both_got(train(1)));
  PassDone broken = DriverPlay::results(1);
  broken.ranks[0].squares[0].square = kNan;
  play.tell(broken);
  CHECK(play.both_got(Finish{true}));
}

}  // namespace stagecraft
