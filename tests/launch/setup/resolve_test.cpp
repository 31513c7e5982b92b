#include "launch/setup/resolve.h"

#include <catch2/catch.hpp>

#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

std::string message_for(const std::vector<std::string>& overrides) {
  return message_of([&] { resolve(example(overrides), 2); });
}

}  // namespace

TEST_CASE("the cores are divided among the actors, with at least one thread each") {
  CHECK(resolve(example(), 8).settings.session.threads == 4);
  CHECK(resolve(example(), 1).settings.session.threads == 1);
  CHECK(resolve(example({"device.threads=3"}), 1).settings.session.threads == 3);
}

TEST_CASE("the run directory's default comes from the configuration's name, the trace's from it") {
  const ResolvedRun run =
      resolve(parse_config(kExample, "some/where/example_of_a_name.toml", {}), 2);
  CHECK(run.settings.session.directory == "runs/example_of_a_name");
  CHECK(run.settings.session.trace_file == "runs/example_of_a_name/trace.json");
  CHECK(resolve(example({"run.directory=x"}), 2).settings.session.trace_file == "x/trace.json");
}

TEST_CASE("the plan is the one of the settings") {
  const ResolvedRun run = resolve(example(), 2);
  CHECK(run.plan.mesh == MeshShape{.pipeline = 2});
  CHECK(run.plan.microbatches == 4);
  CHECK(run.plan.verdict.proven);
  CHECK(run.settings.model.vocab == 256);
}

TEST_CASE("the learning rate falls until the last step unless the decay has steps of its own") {
  CHECK(resolve(example(), 2).settings.optimizer.decay_steps == 10);
  const OptimizerConfig longer =
      resolve(example({"train.decay_steps=20", "train.warmup_steps=15"}), 2).settings.optimizer;
  CHECK(longer.decay_steps == 20);
  CHECK(longer.steps == 10);
}

TEST_CASE("checkpoints are in the run directory unless they have another, or none") {
  const auto directory = [](std::vector<std::string> overrides) {
    overrides.push_back("run.directory=x");
    return resolve(example(overrides), 2).settings.checkpoint.directory;
  };
  CHECK(directory({}) == "x/checkpoints");
  CHECK(directory({"checkpoint.directory=y"}) == "y");
  CHECK(directory({"checkpoint.directory=\"\""}) == "");
}

TEST_CASE("errors of rules over several keys name all given keys") {
  CHECK_THAT(message_for({"train.warmup_steps=11"}),
             Catch::StartsWith("example.toml:12:1: ") &&
                 Catch::Contains("train.warmup_steps: --set train.warmup_steps=11"));
  CHECK_THAT(message_for({"train.warmup_steps=6", "train.decay_steps=5"}),
             Catch::Contains("lower warmup_steps or raise decay_steps"));
  CHECK_THAT(message_for({"train.min_learning_rate=1"}),
             Catch::StartsWith("--set train.min_learning_rate=1: "));
  CHECK_THAT(message_for({"data.validation=[\"a\"]", "data.validation_fraction=0.5"}),
             Catch::Contains("keep one of the two"));
  CHECK_THAT(message_for({"data.validation_fraction=0", "train.eval_every=5"}),
             Catch::Contains("no text to evaluate on"));
  CHECK_THAT(
      message_for({"train.global_batch=9"}),
      Catch::StartsWith("example.toml:14:1: ") && Catch::Contains("--set train.global_batch=9"));
  CHECK_THAT(message_for({"model.heads=5"}), Catch::StartsWith("example.toml:4:1: "));
  CHECK_THAT(message_for({"parallel.tensor=3"}), Catch::StartsWith("example.toml:5:1: "));
  CHECK_THAT(message_for({"parallel.pipeline=5"}), Catch::StartsWith("example.toml:3:1: "));
  CHECK_THAT(message_for({"parallel.partition=[1, 2]"}), Catch::StartsWith("example.toml:"));
  CHECK_THAT(message_for({"model.vocab=100"}), Catch::StartsWith("--set model.vocab=100: "));
  CHECK_THAT(message_for({"parallel.tensor=4096", "parallel.data=4096"}),
             Catch::StartsWith("example.toml:9:1: ") && Catch::Contains("more than the 4096"));
}
