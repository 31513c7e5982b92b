// A run that is stopped and goes on, under other splits, gives the bits of one that is not.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "tests/end_to_end/checkpoint_runs.h"

namespace stagecraft {
namespace {

using test::CheckpointedRun;
using test::Leg;
using test::SmallRun;
using test::TrainedBits;

/// 30 steps with dropout, clipping, warm-up and evaluations.
SmallRun thirty_steps() {
  SmallRun run;
  run.model.dropout = 0.1;
  run.run.optimizer.steps = 30;
  run.run.optimizer.warmup_steps = 10;
  run.run.optimizer.clip = 0.5;
  run.run.options.eval_every = 5;
  return run;
}

void check_same(const TrainedBits& bits, const TrainedBits& reference) {
  CHECK(bits.losses == reference.losses);
  CHECK(bits.norms == reference.norms);
  CHECK(bits.rates == reference.rates);
  CHECK(bits.validation == reference.validation);
  CHECK(bits.hashes == reference.hashes);
  CHECK((bits.model == reference.model));
}

TEST_CASE("a run with two stops gives the bits of one without, over every kind of split") {
  const SmallRun run = thirty_steps();
  const std::vector<std::vector<ParallelConfig>> splits = {
      {{}, {.pipeline = 2}, {.pipeline = 4, .schedule = "gpipe"}},
      {{.pipeline = 4}, {}, {.pipeline = 2, .schedule = "zb-h1", .partition = {1, 3}}},
      {{.pipeline = 2, .chunks = 2, .schedule = "interleaved"},
       {.pipeline = 2, .chunks = 2, .schedule = "zb-v"},
       {.pipeline = 3, .partition = {2, 1, 1}}}};
  const TrainedBits reference = trained_bits(run, {{}});
  REQUIRE(reference.losses.size() == 30);
  REQUIRE(reference.hashes.size() == 30);
  REQUIRE(reference.validation.size() == 6);
  for (const std::vector<ParallelConfig>& legs : splits) {
    INFO(legs[0].pipeline << " stages, then " << legs[1].pipeline << ", then " << legs[2].pipeline);
    check_same(trained_bits(run, {{legs[0], 7}, {legs[1], 19, 2}, {legs[2], 0, 3}}), reference);
  }
}

TEST_CASE("with tensor and data ranks that stay, two stops change no bit") {
  const SmallRun run = thirty_steps();
  for (const ParallelConfig& fixed : {ParallelConfig{.tensor = 2}, ParallelConfig{.data = 2},
                                      ParallelConfig{.tensor = 3, .data = 2}}) {
    ParallelConfig two = fixed;
    two.pipeline = 2;
    ParallelConfig chunks = two;
    chunks.chunks = 2;
    chunks.schedule = "interleaved";
    INFO("tensor " << fixed.tensor << ", data " << fixed.data);
    check_same(trained_bits(run, {{two, 7}, {fixed, 19}, {chunks}}), trained_bits(run, {{fixed}}));
  }
}

TEST_CASE("other tensor and data sizes go on from a checkpoint, with other rounding") {
  const SmallRun run = thirty_steps();
  const TrainedBits reference = trained_bits(run, {{}});
  const TrainedBits bits =
      trained_bits(run, {{{.tensor = 2}, 7}, {{.data = 2}, 19}, {{.pipeline = 2, .tensor = 4}}});
  REQUIRE(bits.losses.size() == reference.losses.size());
  for (std::size_t i = 0; i < bits.losses.size(); ++i) {
    CHECK(bits.losses[i] == Approx(reference.losses[i]).margin(1e-4));
  }
}

TEST_CASE("a run goes on from a checkpoint in memory, unless it has other state than was saved") {
  const SmallRun run = thirty_steps();
  CheckpointedRun parts(run);
  REQUIRE(parts.train({{.data = 2}, 7}).failure.empty());
  const CheckpointReader files(*parts.observer.files, checkpoint_folder(parts.checkpoints(), 7));
  SmallRun rest = parts.settings();
  rest.parallel = {.pipeline = 2, .data = 2};
  const auto memory = std::make_shared<test::MemoryCheckpoint>(files, rest.plan().model);
  rest.run.resume = memory;
  REQUIRE(run_training(rest.plan(), rest.run, rest.data(), {parts.observer}).failure.empty());
  check_same(parts.bits(), trained_bits(run, {{{.data = 2}}}));

  memory->damage("h.1.mlp.c_fc.weight");
  const RunResult result = run_training(rest.plan(), rest.run, rest.data(), {parts.observer});
  CHECK_THAT(result.failure, Catch::Contains("first moment of h.1.mlp.c_fc.weight has the hash") &&
                                 Catch::Contains("the run cannot go on from it"));
}

TEST_CASE("a stop in an evaluation is made good by the run that goes on") {
  const SmallRun run = thirty_steps();
  const TrainedBits reference = trained_bits(run, {{}});
  CheckpointedRun stopped(run);
  stopped.settings().run.stop_requested = {};
  // A stop behind step 5 comes in the evaluation that follows it.
  SmallRun& settings = stopped.settings();
  settings.run.options.eval_batches = 0;
  bool stop = false;
  struct StoppingObserver : RunObserver {
    explicit StoppingObserver(bool& to) : stop(to) {}
    void on_step(const StepReport& /*report*/) override {}
    void on_evaluation_begin(std::int64_t step) override { stop = step == 5; }
    bool& stop;
  };
  StoppingObserver stopping(stop);
  SmallRun first = settings;
  first.run.stop_requested = [&] { return stop; };
  const RunResult result =
      run_training(first.plan(), first.run, first.data(), {stopped.observer, stopping});
  REQUIRE(result.failure.empty());
  REQUIRE(result.steps == 5);
  REQUIRE(stopped.observer.committed == 5);
  REQUIRE_FALSE(stopped.observer.evaluations.back().loss.has_value());
  REQUIRE(stopped.train({{.pipeline = 2}}).failure.empty());
  check_same(stopped.bits(), reference);
}

TEST_CASE("checkpoints beside training change no bit, and can be gone on from at any step") {
  const SmallRun run = thirty_steps();
  const TrainedBits reference = trained_bits(run, {{}});
  CheckpointedRun saving(run);
  saving.settings().run.checkpoint.every = 4;
  REQUIRE(saving.train({{.pipeline = 2, .data = 1}}).failure.empty());
  check_same(saving.bits(), reference);
  const std::vector<std::int64_t> steps =
      checkpoint_steps(*saving.observer.files, saving.checkpoints());
  REQUIRE(steps.size() > 2);
  REQUIRE(steps.back() == 30);
  const CheckpointReader reader(*saving.observer.files,
                                checkpoint_folder(saving.checkpoints(), steps.front()));
  CHECK(reader.manifest().state_hash() ==
        reference.hashes.at(static_cast<std::size_t>(steps.front()) - 1));
  CHECK_NOTHROW(reader.verify());
}

/// Commits, keeps three checkpoints, and looks at what the process holds at two steps.
struct WatchingObserver : test::CommittingObserver {
  explicit WatchingObserver(std::filesystem::path to) : directory(std::move(to)) {}
  void on_step(const StepReport& report) override {
    if (report.step == 300 || report.step == 1000) {
      bytes.push_back(resident_bytes());
      descriptors.push_back(entries_of("/proc/self/fd"));
    }
  }
  void on_checkpoint(const CheckpointReport& report) override {
    CommittingObserver::on_checkpoint(report);
    prune_checkpoints(*files, directory, {.keep = 3});
    most_files = std::max(most_files, entries_of(directory));
    ++checkpoints;
  }

  static std::int64_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::int64_t pages = 0;
    file >> pages >> pages;
    return pages * ::sysconf(_SC_PAGESIZE);
  }
  static std::int64_t entries_of(const std::filesystem::path& folder) {
    return std::distance(std::filesystem::directory_iterator(folder), {});
  }

  std::filesystem::path directory;
  std::vector<std::int64_t> bytes, descriptors;
  std::int64_t most_files = 0;
  std::int64_t checkpoints = 0;
};

TEST_CASE("a thousand steps with a checkpoint every ten hold no more than three hundred do") {
  const TemporaryFolder folder;
  SmallRun run;
  run.model.layers = 2;
  run.model.hidden = 16;
  run.model.heads = 2;
  run.model.sequence = 8;
  run.parallel.pipeline = 2;
  run.run.optimizer.steps = 1000;
  run.run.checkpoints = folder.path() / "checkpoints";
  run.run.checkpoint.every = 10;
  run.validation_bytes = 20;
  WatchingObserver observer(run.run.checkpoints);
  REQUIRE(run_training(run.plan(), run.run, run.data(), {observer}).failure.empty());
  REQUIRE(observer.bytes.size() == 2);
  CHECK(observer.failures.empty());
  CHECK(observer.checkpoints > 3);      // a slow disk leaves saves out; `keep` is 3
  CHECK(observer.most_files <= 3 + 2);  // and `latest`, and the last one, which is being written
  CHECK(observer.descriptors[1] <= observer.descriptors[0] + 3);     // of a save that is under way
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what was freed
  constexpr std::int64_t kMore = std::int64_t{4} << 20;
  CHECK(observer.bytes[1] <= observer.bytes[0] + kMore);
#endif
}

}  // namespace
}  // namespace stagecraft
