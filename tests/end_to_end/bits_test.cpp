// Pipeline parallelism changes no bit; tensor and data parallelism change rounding only.
#include <catch2/catch.hpp>

#include "actors/protocol/run_report.h"
#include "tests/end_to_end/outcome.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

SmallRun with_dropout() {
  SmallRun run;
  run.model.dropout = 0.1;
  return run;
}

TEST_CASE("pipeline, schedule, partition and threads change no bit of the model") {
  const test::Outcome reference = test::outcome_of(with_dropout());
  struct Split {
    int pipeline;
    std::vector<std::int64_t> partition;
  };
  const std::vector<Split> splits = {{1, {}},     {2, {}}, {2, {1, 3}},
                                     {2, {3, 1}}, {4, {}}, {3, {2, 1, 1}}};
  for (const Split& split : splits) {
    for (const std::string schedule : {"gpipe", "1f1b"}) {
      for (const int threads : {1, 2, 3}) {
        SmallRun run = with_dropout();
        run.parallel.pipeline = split.pipeline;
        run.parallel.partition = split.partition;
        run.parallel.schedule = schedule;
        run.run.threads = threads;
        INFO("pipeline " << split.pipeline << ", " << schedule << ", threads " << threads);
        test::check_same(test::outcome_of(run), reference);
      }
    }
  }
}

TEST_CASE("four stages of five layers change no bit, whichever stage has two") {
  SmallRun run = with_dropout();
  run.model.layers = 5;
  const test::Outcome reference = test::outcome_of(run);
  run.parallel.pipeline = 4;
  for (const std::vector<std::int64_t>& partition :
       {std::vector<std::int64_t>{2, 1, 1, 1}, std::vector<std::int64_t>{1, 1, 1, 2}}) {
    for (const std::string schedule : {"gpipe", "1f1b"}) {
      for (const int threads : {1, 2, 3}) {
        run.parallel.partition = partition;
        run.parallel.schedule = schedule;
        run.run.threads = threads;
        INFO(schedule << ", threads " << threads << ", " << partition.front() << " layers first");
        test::check_same(test::outcome_of(run), reference);
      }
    }
  }
}

TEST_CASE("every schedule, with its chunks, gives gpipe's bits") {
  test::check_every_schedule(with_dropout());
}

TEST_CASE("chunks with tensor and data ranks keep the bits of one chunk") {
  SmallRun run = with_dropout();
  run.parallel = {.pipeline = 2, .tensor = 2, .data = 2, .schedule = "gpipe"};
  const test::Outcome reference = test::outcome_of(run);
  run.parallel.chunks = 2;
  for (const char* schedule : {"interleaved", "zb-v"}) {
    run.parallel.schedule = schedule;
    INFO(schedule);
    test::check_same(test::outcome_of(run), reference);
  }
}

TEST_CASE("a priming step changes no bit and is not counted as a step") {
  SmallRun run = with_dropout();
  run.parallel = {.pipeline = 2, .tensor = 2, .data = 2, .schedule = "zb-h1"};
  const test::Outcome without = test::outcome_of(run);
  run.run.prime = true;
  const test::Outcome with = test::outcome_of(run);
  test::check_same(with, without);
  CHECK(with.first_step == 1);
}

TEST_CASE("another micro-batch size changes rounding only") {
  SmallRun run = with_dropout();
  KeepingObserver one;
  test::trained_bytes(run, one);
  run.batch.micro_batch = 4;
  KeepingObserver four;
  test::trained_bytes(run, four);
  for (std::size_t step = 0; step < one.steps.size(); ++step) {
    CHECK(four.steps[step].loss == Approx(one.steps[step].loss).epsilon(1e-4));
  }
}

TEST_CASE("tensor and data splits train the same within rounding") {
  KeepingObserver reference;
  test::trained_bytes(with_dropout(), reference);
  struct Mesh {
    int pipeline, tensor, data;
  };
  for (const Mesh mesh : {Mesh{1, 2, 1},
                          {1, 4, 1},
                          {1, 3, 1},
                          {1, 1, 2},
                          {1, 1, 4},
                          {2, 2, 2},
                          {4, 1, 2},
                          {2, 3, 1}}) {
    SmallRun run = with_dropout();
    run.parallel.pipeline = mesh.pipeline;
    run.parallel.tensor = mesh.tensor;
    run.parallel.data = mesh.data;
    KeepingObserver observer;
    test::trained_bytes(run, observer);
    INFO(mesh.pipeline << " x " << mesh.tensor << " x " << mesh.data);
    REQUIRE(observer.steps.size() == reference.steps.size());
    for (std::size_t step = 0; step < reference.steps.size(); ++step) {
      CHECK(observer.steps[step].loss == Approx(reference.steps[step].loss).epsilon(1e-4));
    }
    CHECK(*observer.validation_loss() == Approx(*reference.validation_loss()).epsilon(1e-4));
  }
}

TEST_CASE("a data size of 3 divides its batch") {
  SmallRun run;
  run.batch = {.global_batch = 12, .micro_batch = 2};
  KeepingObserver one;
  test::trained_bytes(run, one);
  run.parallel.data = 3;
  KeepingObserver three;
  test::trained_bytes(run, three);
  for (std::size_t step = 0; step < one.steps.size(); ++step) {
    CHECK(three.steps[step].loss == Approx(one.steps[step].loss).epsilon(1e-4));
  }
}

TEST_CASE("the split of a mesh keeps its bits from run to run") {
  SmallRun run = with_dropout();
  run.parallel = {.pipeline = 2, .tensor = 2, .data = 2};
  test::check_same(test::outcome_of(run), test::outcome_of(run));
}

TEST_CASE("training learns: the loss falls by half") {
  SmallRun run;
  run.run.optimizer.steps = 60;
  KeepingObserver observer;
  test::trained_bytes(run, observer);
  CHECK(observer.steps.back().loss < 0.5 * observer.steps.front().loss);
}

TEST_CASE("a stage holds no more activations than its program predicts") {
  const auto peaks = [](const std::string& schedule, int pipeline, std::int64_t micro_batches) {
    SmallRun run;
    run.parallel.pipeline = pipeline;
    run.parallel.schedule = schedule;
    run.parallel.partition =
        std::vector<std::int64_t>(static_cast<std::size_t>(pipeline), 4 / pipeline);
    run.batch.global_batch = micro_batches;
    run.run.optimizer.steps = 2;
    KeepingObserver observer;
    const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
    REQUIRE(result.failure.empty());
    std::vector<std::int64_t> bytes;
    for (const RankReport& rank : result.ranks) {
      bytes.push_back(rank.peak_saved_activation_bytes);
    }
    return bytes;
  };
  // A single micro-batch shows the cost of one, on every stage.
  const std::vector<std::int64_t> one = peaks("1f1b", 4, 1);
  const std::vector<std::int64_t> flush = peaks("1f1b", 4, 8);
  const std::vector<std::int64_t> all = peaks("gpipe", 4, 8);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    CHECK(flush[stage] == static_cast<std::int64_t>(4 - stage) * one[stage]);
    CHECK(all[stage] == 8 * one[stage]);
  }
}

TEST_CASE("a run's saved activations are those of the plan") {
  SmallRun run;
  run.parallel = {.pipeline = 2, .tensor = 2};
  run.run.optimizer.steps = 1;
  KeepingObserver observer;
  const TrainingPlan plan = run.plan();
  const RunResult result = run_training(plan, run.run, run.data(), {observer});
  REQUIRE(result.failure.empty());
  for (const RankReport& rank : result.ranks) {
    const StageMemory& memory = plan.memory[static_cast<std::size_t>(rank.coordinate.pipeline)];
    CHECK(rank.peak_saved_activation_bytes == memory.saved_activations);
  }
}

}  // namespace
}  // namespace stagecraft
