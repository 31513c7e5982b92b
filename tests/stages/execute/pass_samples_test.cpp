// Which samples a pass takes, what its losses count, and what its micro-batches hold.
#include "stages/execute/pass_samples.h"
#include "models/families/gpt.h"
#include "models/layers/embedding.h"
#include "models/layers/head.h"
#include "stages/execute/micro_batch_source.h"

#include <catch2/catch.hpp>
#include <set>

#include "kernels/backends/make_stream.h"

namespace stagecraft {
namespace {

constexpr Pass kEvaluation{PassKind::evaluate, 3, 1};

/// Four samples a step, over two data ranks with two micro-batches each.
TrainingPlan four_a_step() {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.sequence = 4;
  config.vocab = 256;
  return make_plan(gpt(config, 1), {.data = 2}, {.global_batch = 4, .micro_batch = 1});
}

std::shared_ptr<TokenDataset> text_of(std::int64_t samples) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(4 * samples + 1));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i);
  }
  return std::make_shared<TokenDataset>(bytes, 4);
}

/// Ten samples to train on, and seven of eight to evaluate on.
TextData ten_and_eight() { return {.train = text_of(10), .validation = text_of(8)}; }
constexpr SampleConfig kInOrder{.order = SampleOrder::sequential, .evaluation_samples = 7};

std::set<std::string> names(const MicroBatch& batch) {
  std::set<std::string> all;
  for (const auto& [name, tensor] : batch.contents) {
    all.insert(name);
  }
  return all;
}

}  // namespace

TEST_CASE("a training step takes the next samples, and step 0 those of step 1") {
  const TrainingPlan plan = four_a_step();
  const PassSamples samples(plan, ten_and_eight(), kInOrder);
  CHECK(samples.first_of({PassKind::train, 0, 0}) == 0);
  CHECK(samples.first_of({PassKind::train, 1, 0}) == 0);
  const Pass third{PassKind::train, 3, 0};
  CHECK(samples.first_of(third) == 8);
  CHECK(samples.at(third, 8, 4).indices == std::vector<std::int64_t>{8, 9, 0, 1});
  CHECK(samples.counts(third) == LossCounts{4 * 4});
}

TEST_CASE("the last batch of an evaluation counts the samples that are there") {
  const TrainingPlan plan = four_a_step();
  const PassSamples samples(plan, ten_and_eight(), kInOrder);
  CHECK(samples.counts({PassKind::evaluate, 3, 0}) == LossCounts{4 * 4});
  CHECK(samples.first_of(kEvaluation) == 4);
  CHECK(samples.at(kEvaluation, 6, 2).indices == std::vector<std::int64_t>{6});
  CHECK(samples.counts(kEvaluation) == LossCounts{3 * 4});
}

TEST_CASE("a micro-batch of a training step saves, drops, and scales by the step's count") {
  const TrainingPlan plan = four_a_step();
  const MicroBatchSource source(plan, 1, ten_and_eight(), kInOrder);
  const Pass second{PassKind::train, 2, 0};
  MicroBatch batch = source.at(second, 1, {16});
  CHECK(batch.saves);
  CHECK(batch.dropout);
  CHECK(batch.first_sample == 4 + 2 + 1);
  CHECK(batch.loss(kLoss).scale == 1.0F / 16);
  CHECK(source.at(second, 1, {0}).loss(kLoss).scale == 0);  // nothing is counted
  const auto stream = make_stream({}, {});
  source.read_contents(*stream, second, plan.model.contents, batch);
  CHECK(names(batch) == std::set<std::string>{kTokens, kTokenOrder, kTargets});
  CHECK(batch.content(kTokens).data<std::int32_t>()[0] == 7 * 4);
  CHECK(batch.content(kTokenOrder).shape() == Shape{2, 4});
  CHECK_THROWS_WITH(source.at(second, 1, {1, 2}),
                    "[MicroBatchSource] there are counts of 2 losses, and the model has 1");
}

TEST_CASE("a micro-batch of an evaluation saves and drops nothing") {
  const TrainingPlan plan = four_a_step();
  const MicroBatchSource source(plan, 0, ten_and_eight(), kInOrder);
  MicroBatch batch = source.at(kEvaluation, 0, {});
  CHECK_FALSE(batch.saves);
  CHECK_FALSE(batch.dropout);
  const auto stream = make_stream({}, {});
  source.read_contents(*stream, kEvaluation, plan.model.contents, batch);
  CHECK(names(batch) == std::set<std::string>{kTokens, kTargets});
}

}  // namespace stagecraft
