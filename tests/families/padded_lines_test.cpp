// A family with two losses over padded rows trains the same in every split: each loss is divided by
// what it counts in the whole step, never a mean of means.
#include "tests/families/padded_lines.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "stages/execute/pass_samples.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft::test {
namespace {

SmallRun padded_run() {
  SmallRun run;
  run.model.family = &kPaddedLines;
  run.model.heads = 4;
  run.run.optimizer.steps = 12;
  run.run.options.eval_every = 6;
  return run;
}

TrainingPlan plan_of(const SmallRun& run) {
  return make_plan(make_model(run.model, run.parallel.tensor), run.parallel, run.batch);
}

KeepingObserver trained(const SmallRun& run, const TrainingPlan& plan) {
  KeepingObserver observer;
  const RunResult result = run_training(plan, run.run, run.data(), {observer});
  INFO(result.failure);
  REQUIRE(result.failure.empty());
  return observer;
}

KeepingObserver trained(const SmallRun& run) { return trained(run, plan_of(run)); }

void check_close(const std::vector<NamedLoss>& a, const std::vector<NamedLoss>& b) {
  REQUIRE(a.size() == 2);
  REQUIRE(b.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(a[i].name == b[i].name);
    CHECK(a[i].value == Approx(b[i].value).epsilon(1e-4));
  }
}

void check_same_losses(const KeepingObserver& split) {
  static const KeepingObserver one = trained(padded_run());
  REQUIRE(split.steps.size() == one.steps.size());
  for (std::size_t i = 0; i < one.steps.size(); ++i) {
    check_close(split.steps[i].losses, one.steps[i].losses);
  }
  REQUIRE(split.evaluations.size() == 2);
  REQUIRE(one.evaluations.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    check_close(split.evaluations[i].losses, one.evaluations[i].losses);
  }
}

/// Counts by hand, sample by sample.
LossCounts counted_in(const TokenDataset& text, std::int64_t first, std::int64_t last) {
  LossCounts counts{0, 0};
  std::vector<std::int32_t> inputs(static_cast<std::size_t>(text.sequence()));
  std::vector<std::int32_t> targets = inputs;
  for (std::int64_t sample = first; sample < last; ++sample) {
    text.read(sample, inputs, targets);
    std::size_t row = 0;
    while (row + 1 < inputs.size() && inputs[row] != '\n') {
      ++row;
    }
    counts[0] += static_cast<std::int64_t>(row);
    ++counts[1];
  }
  return counts;
}

}  // namespace

TEST_CASE("the losses of a step count rows and samples of the data") {
  SmallRun run = padded_run();
  const TrainingPlan plan = plan_of(run);
  const TextData data = run.data();
  const std::int64_t all = data.validation->samples();
  REQUIRE(all % 8 != 0);
  const PassSamples samples(plan, data,
                            {.order = SampleOrder::sequential, .evaluation_samples = all});
  CHECK(samples.counts({PassKind::train, 3, 0}) == counted_in(*data.train, 16, 24));
  CHECK(samples.counts({PassKind::train, 0, 0}) == counted_in(*data.train, 0, 8));
  const std::int64_t last = all / 8;  // an evaluation's last batch has fewer samples
  CHECK(samples.counts({PassKind::evaluate, 3, last}) ==
        counted_in(*data.validation, last * 8, all));
  CHECK(samples.counts({PassKind::train, 3, 0})[0] < 8 * (run.model.sequence - 1));  // padding
}

TEST_CASE("two losses over padded rows: both fall") {
  const KeepingObserver observer = trained(padded_run());
  for (const std::size_t loss : {0, 1}) {
    CHECK(observer.steps.back().losses[loss].value <
          0.9 * observer.steps.front().losses[loss].value);
  }
  const StepReport& last = observer.steps.back();
  CHECK(last.loss == last.losses[0].value + last.losses[1].value);
  CHECK(observer.steps.front().losses[1].value == Approx(std::log(4.0)).epsilon(0.1));
}

TEST_CASE("two losses over padded rows: pipeline, tensor and data sizes change rounding alone") {
  SmallRun run = padded_run();
  run.parallel = {.pipeline = 2, .tensor = 2};
  check_same_losses(trained(run));
  run.parallel = {.pipeline = 2, .data = 2, .chunks = 2, .schedule = "interleaved"};
  check_same_losses(trained(run));
  run.parallel = {.pipeline = 2, .schedule = "zb-h1"};
  check_same_losses(trained(run));
}

TEST_CASE("two losses over padded rows: the size of a micro-batch changes rounding alone") {
  SmallRun run = padded_run();
  run.batch.micro_batch = 4;
  check_same_losses(trained(run));
}

TEST_CASE("a micro-batch is as long as its longest line, and its padding changes rounding alone") {
  SmallRun run = padded_run();
  run.batch.micro_batch = 2;
  run.parallel = {.pipeline = 2};
  ModelSpec model = make_model(run.model, 1);
  std::set<std::int64_t> lengths;
  const TextData data = run.data();
  for (std::int64_t first = 0; first < 16; first += 2) {
    lengths.insert(model.sequence_of(
        {.text = data.train, .sequence = 24, .size = 2, .indices = {first, first + 1}}));
  }
  CHECK(lengths.size() > 1);
  check_same_losses(trained(run));
  model.bucket = {};
  check_same_losses(trained(run, make_plan(model, run.parallel, run.batch)));
}

TEST_CASE("micro-batches that are shorter than a sample hold no more than whole ones") {
  const SmallRun run = padded_run();
  ModelSpec model = make_model(run.model, 1);
  const auto peak = [&] {
    const RunResult result =
        run_training(make_plan(model, run.parallel, run.batch), run.run, run.data(), {});
    REQUIRE(result.failure.empty());
    return result.ranks.at(0).peak_bytes;
  };
  const std::int64_t padded_to_lines = peak();
  model.bucket = {};
  CHECK(padded_to_lines <= peak());
}

}  // namespace stagecraft::test
