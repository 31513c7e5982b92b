// What the driver orders, and what its observers see, when state is hashed and saved beside
// training.
#include <catch2/catch.hpp>

#include "tests/actors/driver/driver_play.h"
#include "tests/temporary_folder.h"

namespace stagecraft {

using namespace test;

namespace {

using Events = std::vector<std::string>;

/// A source without values: the driver asks for its manifest alone.
class ManifestAlone : public CheckpointSource {
 public:
  explicit ManifestAlone(CheckpointManifest manifest) : manifest_(std::move(manifest)) {}
  const CheckpointManifest& manifest() const override { return manifest_; }
  void read(const StatePiece& /*piece*/, std::span<float> /*values*/) const override {}

 private:
  CheckpointManifest manifest_;
};

/// A run of nine steps that goes on behind step `step`. All hashes of the checkpoint are 0.
std::shared_ptr<ManifestAlone> checkpoint_of(std::int64_t step) {
  CheckpointManifest manifest;
  manifest.step = step;
  manifest.loss = 2.5;
  for (const ParameterSpec& parameter : two_stages().model.parameters()) {
    manifest.tensors.push_back({parameter.name, parameter.shape, {}});
  }
  return std::make_shared<ManifestAlone>(manifest);
}

KeepState save(std::int64_t step) { return {step, "checkpoints"}; }

void long_run(RunConfig& config) {
  config.optimizer.steps = 9;
  config.checkpoints = "checkpoints";
}

std::vector<PassRange> step(std::int64_t number) { return {step_of_8(number)}; }

}  // namespace

TEST_CASE("driver: a checkpoint is ordered with the update, and reported when all have written") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.checkpoint.every = 2;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, step(2))));
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(play.update(2, step(3), {save(2)})));
  play.tell_hashes(2);
  play.tell(StateSaved{.rank = 1, .step = 2, .bytes = 100});
  play.tell(DriverPlay::results(3));
  CHECK(play.both_got(play.update(3, step(4))));
  CHECK(play.observer.take() == Events{"start", "step 1", "step 2", "step 3"});
  play.tell(StateSaved{.rank = 0,
                       .step = 2,
                       .bytes = 300,
                       .pieces = {{1, StateKind::first_moment, {2, 3}, {4, 5}, 6}},
                       .without_copy = true});
  CHECK(play.observer.take() == Events{"checkpoint 2"});
  const CheckpointReport& report = play.observer.checkpoints.front();
  CHECK(report.unfinished == "checkpoints/step-2.unfinished");
  CHECK(report.manifest.samples == 2 * two_stages().batch.global_batch);
  CHECK(report.manifest.loss == 3);
  CHECK(report.ranks_without_copy == std::vector<int>{0});
  CHECK(report.manifest.files == std::vector<CheckpointFile>{{"rank-0.safetensors", 300}});
  CHECK(report.manifest.tensors.at(0).at(StateKind::weight).hash == 7);
  CHECK(report.manifest.tensors.at(1).at(StateKind::first_moment).pieces ==
        std::vector<CheckpointPiece>{{0, {{2, 3}, {4, 5}}, 6}});
}

TEST_CASE("driver: a checkpoint that is due while one is written follows the first step after it") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.checkpoint.every = 1;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, step(2), {save(1)})));
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(play.update(2, step(3))));
  play.tell_hashes(1);
  play.tell_saved(1);
  play.tell(DriverPlay::results(3));
  CHECK(play.both_got(play.update(3, step(4), {save(3)})));
}

TEST_CASE("driver: a request asks for one checkpoint, and the run goes on") {
  bool requested = false;
  DriverPlay play([&](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.save_requested = [&] { return std::exchange(requested, false); };
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  requested = true;
  CHECK(play.both_got(train(1), play.update(1, step(2))));
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(play.update(2, step(3), {save(2)})));
  play.tell_hashes(2);
  play.tell_saved(2);
  play.tell(DriverPlay::results(3));
  CHECK(play.both_got(play.update(3, step(4))));
}

TEST_CASE("driver: a run that is stopped ends when its checkpoint is written, without a model") {
  const TemporaryFolder folder;
  DriverPlay play([&](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.model_folder = folder.path() / "model";
    config.stop_requested = [] { return true; };
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, {}, {save(1)})));
  play.tell_hashes(1);
  CHECK(play.both_got());
  play.tell_saved(1);
  CHECK(play.both_got(Finish{false}));
  CHECK(play.observer.take() == Events{"start", "step 1", "checkpoint 1"});
}

TEST_CASE("driver: the checkpoint behind an evaluation waits for its end") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    long_run(config);
    config.checkpoint.every = 1;
    config.options.eval_every = 1;
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  play.tell_hashes(1);
  play.tell_saved(1);
  CHECK(play.observer.take() == Events{"start", "step 1", "evaluation after 1"});
  play.tell(DriverPlay::batch(1, 0, 16));
  CHECK(play.observer.take() == Events{"validation 2", "checkpoint 1"});
  const CheckpointManifest& manifest = play.observer.checkpoints.front().manifest;
  CHECK(manifest.validation_loss == 2.0);
  CHECK(manifest.validation_step == 1);
  CHECK_FALSE(manifest.evaluation_due);
}

TEST_CASE("driver: a stop in an evaluation saves the step behind which it came") {
  bool stop = false;
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    long_run(config);
    config.stop_requested = [&] { return stop; };
    config.options.eval_every = 1;
    setup.evaluation_samples = 20;  // ten batches
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  CHECK(play.both_got(train(1), play.update(1, {{PassKind::evaluate, 1, 3}})));
  stop = true;
  for (const std::int64_t batch : {0, 1}) {
    play.tell(DriverPlay::batch(1, batch, 16));
    CHECK(play.both_got());
  }
  play.tell(DriverPlay::batch(1, 2, 16));
  CHECK(play.both_got(save(1)));
  play.tell_hashes(1);
  play.tell_saved(1);
  CHECK(play.both_got(Finish{false}));
  CHECK(play.observer.checkpoints.front().manifest.evaluation_due);
}

TEST_CASE("driver: a rank that cannot write costs the checkpoint, not the run") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.checkpoint.every = 1;
  });
  play.make_ready();
  play.tell(DriverPlay::results(1));
  play.tell_hashes(1);
  play.tell(StateSaved{.rank = 1, .step = 1, .error = "the disk is full"});
  play.tell(StateSaved{.rank = 0, .step = 1});
  CHECK(play.observer.take() ==
        Events{"start", "step 1", "no checkpoint 1: rank 1: the disk is full"});
  play.tell(DriverPlay::results(2));
  CHECK(play.both_got(train(1), play.update(1, step(2), {save(1)}),
                      play.update(2, step(3), {save(2)})));
}

TEST_CASE("driver: hashes come between their step and the next, however late") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    config.optimizer.steps = 9;
    config.state_hash_every = 2;
  });
  play.make_ready();
  for (const std::int64_t number : {1, 2, 3}) {
    play.tell(DriverPlay::results(number));
  }
  CHECK(play.both_got(train(1), play.update(1, step(2)), play.update(2, step(3), {{2, ""}}),
                      play.update(3, step(4))));
  CHECK(play.observer.take() == Events{"start", "step 1", "step 2"});
  play.tell_hashes(2);
  CHECK(play.observer.take() == Events{"hash 2 7", "step 3"});
}

TEST_CASE("driver: an answer that is not awaited ends the run by name") {
  DriverPlay play([](RunConfig& config, DriverSetup&) { long_run(config); });
  play.make_ready();
  play.tell(StateHashed{0, 1, {}});
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK_THAT(play.result->failure,
             Catch::Contains("StateHashed of step 1 came from rank 0, and is not awaited"));
}

TEST_CASE("driver: a run that goes on begins behind its checkpoint") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.resume = checkpoint_of(4);
  });
  play.make_ready();
  CHECK(play.both_got(train(5)));
  play.tell(DriverPlay::results(5));
  CHECK(play.both_got(play.update(5, step(6))));
  CHECK(play.observer.take() == Events{"start", "step 5"});
}

TEST_CASE("driver: an evaluation that was cut short is done again before the next step") {
  DriverPlay play([](RunConfig& config, DriverSetup& setup) {
    long_run(config);
    CheckpointManifest manifest = checkpoint_of(4)->manifest();
    manifest.evaluation_due = true;
    config.resume = std::make_shared<ManifestAlone>(manifest);
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  CHECK(play.both_got(evaluate(4, 0, 1)));
  play.tell(DriverPlay::batch(4, 0, 16));
  CHECK(play.both_got(train(5)));
  CHECK(play.observer.take() == Events{"start", "evaluation after 4", "validation 2"});
}

TEST_CASE("driver: a run that goes on behind its last step only writes its model") {
  const TemporaryFolder folder;
  DriverPlay play([&](RunConfig& config, DriverSetup& setup) {
    long_run(config);
    CheckpointManifest manifest = checkpoint_of(9)->manifest();
    manifest.validation_loss = 2;
    manifest.validation_step = 9;
    config.resume = std::make_shared<ManifestAlone>(manifest);
    config.model_folder = folder.path() / "model";
    setup.evaluation_samples = 2;
  });
  play.make_ready();
  play.tell(ModelWritten{0});
  play.tell(ModelWritten{1});
  CHECK(play.observer.take() == Events{"start", "model"});
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK_FALSE(play.result->stopped_early);
  CHECK(play.result->validation_loss == 2.0);
  CHECK(play.result->steps == 9);
}

TEST_CASE("driver: a run does not go on from state that has another hash than was saved") {
  DriverPlay play([](RunConfig& config, DriverSetup&) {
    long_run(config);
    config.resume = checkpoint_of(4);
  });
  play.tell(Ready{0});
  play.tell(Ready{1, {{1, StateKind::second_moment, 9}}});
  play.tell(StageEnded{0});
  play.tell(StageEnded{1});
  REQUIRE(play.result.has_value());
  CHECK_THAT(play.result->failure, Catch::Contains("second moment of ") &&
                                       Catch::Contains("has the hash 0000000000000009"));
}

}  // namespace stagecraft
