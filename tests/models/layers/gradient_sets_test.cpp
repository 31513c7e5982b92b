// One layer whose micro-batches add their weight gradients to two sets in turn.
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/backends/make_stream.h"
#include "tests/models/layers/block_kinds.h"
#include "tests/models/layers/single_layer.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kSamples = 2;
constexpr int kMicroBatches = 6;

ModelConfig config_with(double dropout) {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 32;
  config.heads = 4;
  config.sequence = 16;
  config.dropout = dropout;
  return config;
}

/// A layer and its micro-batches.
class Run {
 public:
  Run(Stream& stream, const ModelConfig& config)
      : stream_(stream),
        shape_{kSamples * config.sequence, config.hidden},
        sequence_(config.sequence),
        layer_(stream, block_of({}, config, 1, "")) {}

  GradientSet make_set() { return layer_.parameters().make_gradients(stream_); }

  /// B of one micro-batch.
  void at_once(int microbatch, const GradientSet& set, bool accumulate) {
    WeightStash weights(WeightStash::Mode::immediate);
    backward(microbatch, set, accumulate, weights);
  }
  /// I of one micro-batch, issued while `issued_with` was in use; W is later() of it.
  WeightStash input_only(int microbatch, const GradientSet& issued_with) {
    WeightStash weights(WeightStash::Mode::deferred);
    backward(microbatch, issued_with, false, weights);
    return weights;
  }
  void later(int microbatch, WeightStash& weights, const GradientSet& set, bool accumulate) {
    const MicroBatch batch = batch_of(microbatch);
    LayerContext context = layer_.context(batch, set, accumulate);
    weights.run(context);
  }

 private:
  MicroBatch batch_of(int microbatch) const {
    MicroBatch batch;
    batch.step = 5;
    batch.first_sample = static_cast<std::uint64_t>(microbatch * kSamples);
    batch.samples = kSamples;
    batch.sequence = sequence_;
    return batch;
  }
  Tensor drawn(int number) {
    std::vector<float> values(static_cast<std::size_t>(elements_of(shape_)));
    fill_normal({.key = random_key(11, std::to_string(number))}, 0, values.size(), 1.0F,
                values.data());
    return floats_of(stream_, shape_, values);
  }
  void backward(int microbatch, const GradientSet& set, bool accumulate, WeightStash& weights) {
    const MicroBatch batch = batch_of(microbatch);
    const LayerContext context = layer_.context(batch, set, accumulate);
    Stash stash;
    layer_.forward(context, drawn(microbatch), stash);
    layer_.backward(context, drawn(-1 - microbatch), stash, weights);
  }

  Stream& stream_;
  Shape shape_;
  std::int64_t sequence_;
  SingleLayer layer_;
};

bool same_bits(const GradientSet& a, const GradientSet& b) {
  return a.arena().bytes() == b.arena().bytes() &&
         std::memcmp(a.arena().raw(), b.arena().raw(),
                     static_cast<std::size_t>(a.arena().bytes())) == 0;
}

bool is_zero(const GradientSet& set) {
  const auto* values = set.arena().data<float>();
  return std::all_of(values, values + set.arena().elements(), [](float v) { return v == 0; });
}

TEST_CASE("each of two sets has the gradient of its own micro-batches alone, bit for bit") {
  for (const double dropout : {0.0, 0.1}) {
    const auto stream = make_stream({}, {});
    Run run(*stream, config_with(dropout));
    const GradientSet sets[2] = {run.make_set(), run.make_set()};
    const GradientSet later[2] = {run.make_set(), run.make_set()};
    const GradientSet unused = run.make_set();
    std::vector<WeightStash> stashes;
    for (int m = 0; m < kMicroBatches; ++m) {
      run.at_once(m, sets[m % 2], m >= 2);
      stashes.push_back(run.input_only(m, unused));
    }
    for (int m = 0; m < kMicroBatches; ++m) {
      run.later(m, stashes[static_cast<std::size_t>(m)], later[m % 2], m >= 2);
    }
    for (const int parity : {0, 1}) {
      CAPTURE(dropout, parity);
      const GradientSet alone = run.make_set();
      for (int m = parity; m < kMicroBatches; m += 2) {
        run.at_once(m, alone, m >= 2);
      }
      CHECK(same_bits(sets[parity], alone));
      CHECK(same_bits(later[parity], alone));
      CHECK_FALSE(is_zero(alone));
    }
    CHECK_FALSE(same_bits(sets[0], sets[1]));
    CHECK(is_zero(unused));
  }
}

TEST_CASE("without accumulate, what a set had is overwritten") {
  const auto stream = make_stream({}, {});
  Run run(*stream, config_with(0));
  const GradientSet used = run.make_set();
  const GradientSet fresh = run.make_set();
  run.at_once(0, used, false);
  run.at_once(1, used, false);
  run.at_once(1, fresh, false);
  CHECK(same_bits(used, fresh));
}

}  // namespace
}  // namespace stagecraft::test
