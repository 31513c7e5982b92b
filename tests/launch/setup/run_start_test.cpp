// Which run goes on, over checkpoints that are no files.
#include "launch/setup/run_start.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/run_directory.h"
#include "launch/report/config_text.h"
#include "tests/launch/example_config.h"
#include "tests/launch/fake_checkpoint.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

Origin origin(const std::string& device = "A", const std::string& data = "d") {
  return {{"program", "stagecraft 1"}, {"device", device}, {"libraries", "x"}, {"data", data}};
}

ResolvedRun run_of(const std::vector<std::string>& overrides = {}) {
  return resolve(example(overrides), 2);
}

/// Of the example's run, behind step 4.
CheckpointManifest manifest_of(const ResolvedRun& run) {
  CheckpointManifest manifest;
  manifest.step = 4;
  manifest.settings = key_values(run.settings);
  manifest.origin = origin();
  for (const ParameterSpec& parameter : run.plan.model.parameters()) {
    manifest.tensors.push_back({parameter.name, parameter.shape, {}});
  }
  return manifest;
}

EarlierRun earlier_of(CheckpointManifest manifest) {
  EarlierRun earlier;
  earlier.directory = "runs/big";
  earlier.settings = manifest.settings;
  earlier.checkpoint = std::make_shared<test::FakeCheckpoint>(std::move(manifest));
  earlier.folder = "runs/big/checkpoints/step-4";
  return earlier;
}

EarlierRun earlier() { return earlier_of(manifest_of(run_of())); }

RunStart start(const EarlierRun& earlier, const std::vector<std::string>& overrides = {},
               const std::vector<std::string>& allowed = {}, const Origin& now = origin()) {
  return start_of(run_of(overrides), now, earlier, allowed);
}

}  // namespace

TEST_CASE("a run without an earlier start begins with step 1, and says nothing") {
  const TemporaryFolder folder;
  const std::string directory = "run.directory=" + (folder.path() / "run").string();
  const RunStart fresh = start_of(run_of({directory}), origin(), {}, {});
  CHECK_FALSE(fresh.checkpoint);
  CHECK(fresh.lines.empty());
  CHECK(fresh.identity.origin == origin());
  CHECK(fresh.identity.settings == key_values(run_of({directory}).settings));
  CHECK(fresh.identity.different_bits.empty());
}

TEST_CASE(
    "an unfinished run goes on from its checkpoint, under another split and with more steps") {
  const RunStart next = start(earlier(), {"parallel.pipeline=4", "train.steps=20",
                                          "train.decay_steps=10", "run.mode=mpi", "trace.steps=0"});
  REQUIRE(next.checkpoint);
  CHECK(next.checkpoint->manifest().step == 4);
  CHECK(next.lines == std::vector<std::string>{"runs/big goes on from its checkpoint of step 4"});
  CHECK(next.identity.different_bits.empty());
}

TEST_CASE("an unfinished run without a whole checkpoint begins at step 1 again, and says so") {
  EarlierRun run = earlier();
  run.checkpoint.reset();
  run.damaged = {"the checkpoint of step 4 is passed over: torn"};
  const RunStart again = start(run);
  CHECK_FALSE(again.checkpoint);
  CHECK(again.lines == std::vector<std::string>{
                           "the checkpoint of step 4 is passed over: torn",
                           "runs/big has no whole checkpoint: its run begins at step 1 again"});
  CHECK_THROWS_WITH(start(run, {"train.seed=2"}), Catch::Contains("train.seed was 1 and is 2"));
}

TEST_CASE("a finished run is refused by name unless it has more steps now") {
  EarlierRun finished = earlier();
  finished.result = RunOutcome{.outcome = Outcome::finished, .steps = 10};
  CHECK_THROWS_WITH(start(finished), Catch::Contains("runs/big holds a finished run of 10 steps"));
  CHECK(start(finished, {"train.steps=11", "train.decay_steps=10"}).checkpoint);
  finished.checkpoint.reset();
  CHECK_THROWS_WITH(start(finished, {"train.steps=11", "train.decay_steps=10"}),
                    Catch::Contains("without a checkpoint"));
  EarlierRun stopped = earlier();
  stopped.result = RunOutcome{.outcome = Outcome::stopped, .steps = 4};
  CHECK(start(stopped).checkpoint);
  CHECK_THROWS_WITH(start(stopped, {"train.steps=3", "train.decay_steps=10"}),
                    Catch::Contains("train.steps is 3") && Catch::Contains("is of step 4"));
}

TEST_CASE("what a run keeps is refused with both values, or allowed, and then said") {
  CHECK_THROWS_WITH(start(earlier(), {"train.clip=2"}),
                    Catch::Contains("train.clip was 1.0 and is 2.0"));
  const RunStart next = start(earlier(), {"train.clip=2"}, {"train.clip"});
  CHECK(next.identity.different_bits ==
        std::vector<DifferentBits>{{5, "train.clip was 1.0 and is 2.0"}});
  CHECK(next.lines == std::vector<std::string>{
                          "runs/big goes on from its checkpoint of step 4; from step 5 on its bits "
                          "may differ from those of a run without stops: train.clip was 1.0 and is "
                          "2.0"});
}

TEST_CASE("another tensor or data size, device or library is said, behind earlier differences") {
  CheckpointManifest manifest = manifest_of(run_of());
  manifest.different_bits = {{3, "device was Z and is A"}, {5, "of steps that are made again"}};
  const Origin now = origin("B");
  const RunStart next =
      start(earlier_of(manifest), {"parallel.tensor=2", "parallel.data=2"}, {}, now);
  CHECK(next.identity.different_bits ==
        std::vector<DifferentBits>{{3, "device was Z and is A"},
                                   {5,
                                    "parallel.tensor was 1 and is 2, parallel.data was 1 and is "
                                    "2, device was A and is B"}});
}

TEST_CASE("other texts are refused by both fingerprints, or allowed") {
  const Origin now = origin("A", "e");
  CHECK_THROWS_WITH(start(earlier(), {}, {}, now), Catch::Contains("data was d and is e") &&
                                                       Catch::Contains("--allow data.train"));
  CHECK(start(earlier(), {}, {"data.train"}, now).identity.different_bits ==
        std::vector<DifferentBits>{{5, "data was d and is e"}});
  CHECK(start(earlier(), {"data.train=[\"elsewhere\"]"}).identity.different_bits.empty());
}

TEST_CASE("a checkpoint of another model is refused by its tensors") {
  CheckpointManifest manifest = manifest_of(run_of());
  manifest.tensors.pop_back();
  CHECK_THROWS_AS(start(earlier_of(manifest)), Error);
}

TEST_CASE("the run of a directory is found by its config.toml, and keeps decay and checkpoints") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "run").string();
  StartOptions options{.resume = path};
  ConfigFile config = example({"train.steps=20"});
  CHECK_THAT(message_of([&] { begin_with(options, false, config); }),
             Catch::StartsWith("--resume " + path) && Catch::Contains("holds no run"));
  const ResolvedRun first = run_of({"run.directory=" + path});
  {
    RunDirectory directory(path);
    directory.write_config(resolved_toml(first.settings, first.sources));
    directory.keep();
    CHECK_THAT(message_of([&] { begin_with(options, false, config); }),
               Catch::Contains("is held by"));
    CHECK(begin_with(options, true, config));
  }
  const auto found = begin_with(options, false, config);
  REQUIRE(found);
  CHECK_FALSE(found->checkpoint);
  CHECK(found->checkpoints == fs::path(path) / "checkpoints");
  CHECK(config.settings.session.directory == path);
  CHECK(config.settings.optimizer.decay_steps == 10);
  CHECK(start_of(resolve(config, 2), origin(), found, {}).lines.size() == 1);
  options.allowed = {"train.sede"};
  CHECK_THAT(message_of([&] { begin_with(options, false, config); }),
             Catch::Contains("train.seed"));
}

TEST_CASE("a run with checkpoints in a directory of its own finds them again") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "run").string();
  const std::string elsewhere = (folder.path() / "elsewhere").string();
  const ResolvedRun first = run_of({"run.directory=" + path, "checkpoint.directory=" + elsewhere});
  RunDirectory directory(path);
  directory.write_config(resolved_toml(first.settings, first.sources));
  directory.keep();
  directory.release();
  ConfigFile config = example();
  CHECK(begin_with({.resume = path}, false, config)->checkpoints == elsewhere);
  CHECK(config.settings.checkpoint.directory == elsewhere);
  ConfigFile moved = example({"checkpoint.directory=x"});
  CHECK(begin_with({.resume = path}, false, moved)->checkpoints == "x");
}
