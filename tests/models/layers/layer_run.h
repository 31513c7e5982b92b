// A layer of a small GPT and one micro-batch for it, for tests of what layers hold and compute.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/ops/embedding.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "models/families/model_spec.h"
#include "models/layers/embedding.h"
#include "models/layers/head.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft::test {

inline constexpr std::int64_t kSamples = 8;

inline ModelConfig small_gpt(double dropout) {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 64;
  config.heads = 4;
  config.sequence = 128;
  config.vocab = 256;
  config.dropout = dropout;
  return config;
}

/// One layer on a CPU stream that nothing else uses.
class LayerRun {
 public:
  LayerRun(Stream& stream, const ModelSpec& model, const LayerSpec& layer)
      : model_(model),
        stream_(stream),
        account_(stream.memory().account()),
        parameters_(stream, {layer.parameters}, 0, 1),
        tensor_(make_solo_communicator()),
        layer_(layer.make({.stream = stream, .parameters = parameters_})) {
    for (const Parameter& parameter : parameters_.parameters()) {
      std::fill_n(parameter.weight.data<float>(), parameter.weight.elements(), 0.01F);
    }
    batch_.samples = kSamples;
    batch_.sequence = model.sequence;
    const std::vector<std::int32_t> tokens(static_cast<std::size_t>(batch_.rows()), 7);
    batch_.contents = {{kTokens, integers(tokens, {batch_.rows()})},
                       {kTokenOrder, integers(token_order(tokens), {2, batch_.rows()})},
                       {kTargets, integers(tokens, {batch_.rows()})}};
    batch_.losses = {
        {.name = kLoss,
         .sum = Tensor(stream_.memory(), {1}, DType::float64, MemoryLabel::workspace)}};
    base_ = account_->total().current;
  }

  Tensor activations() {
    Tensor x(stream_.memory(), {batch_.rows(), model_.hidden}, DType::float32,
             MemoryLabel::workspace);
    std::fill_n(x.data<float>(), x.elements(), 0.5F);
    return x;
  }

  /// The account's bytes: the peak during `work`, and after it.
  struct Held {
    std::int64_t peak = 0;
    std::int64_t after = 0;
  };
  template <typename Work>
  Held held(Work&& work) {
    account_->reset_peaks();
    work();
    return {account_->total().peak - base_, account_->total().current - base_};
  }

  Held forward(Tensor x) {
    return held([&, x = std::move(x)]() mutable {
      LayerContext context{stream_, *tensor_, batch_, parameters_.gradients()};
      layer_->forward(context, std::move(x), stash_);
    });
  }

  Held backward(Tensor dy, WeightStash& weights) {
    return held([&, dy = std::move(dy)]() mutable {
      LayerContext context{stream_, *tensor_, batch_, parameters_.gradients()};
      layer_->backward_input(context, std::move(dy), stash_, weights);
    });
  }

  Held weight(WeightStash& weights) {
    return held([&] {
      LayerContext context{stream_, *tensor_, batch_, parameters_.gradients()};
      weights.run(context);
    });
  }

 private:
  Tensor integers(const std::vector<std::int32_t>& values, const Shape& shape) {
    Tensor x(stream_.memory(), shape, DType::int32, MemoryLabel::workspace);
    std::ranges::copy(values, x.data<std::int32_t>());
    return x;
  }

  const ModelSpec& model_;
  Stream& stream_;
  std::shared_ptr<MemoryAccount> account_;
  ParameterStore parameters_;
  std::unique_ptr<Communicator> tensor_;
  std::unique_ptr<Layer> layer_;
  MicroBatch batch_;
  Stash stash_;
  std::int64_t base_ = 0;
};

}  // namespace stagecraft::test
