// LayerCost's memory against the account to which the layer's tensors are charged, and its FLOPs
// against what the layer's operations count.
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "tests/counting_stream.h"
#include "tests/models/layers/block_kinds.h"
#include "tests/models/layers/layer_run.h"

namespace stagecraft::test {
namespace {

/// The model's, and blocks of other arrangements.
std::vector<LayerSpec> layers_of(const ModelSpec& model) {
  std::vector<LayerSpec> layers = model.layers;
  for (const BlockKind& kind : block_kinds()) {
    layers.push_back(block_of(kind, model.config, 1, ""));
  }
  return layers;
}

/// The measured bytes include the workspace of operations: they may exceed the cost by at most 5 %.
void check(std::int64_t held, std::int64_t said) {
  CHECK(held >= said);
  CHECK(static_cast<double>(held) <= 1.05 * static_cast<double>(said));
}

TEST_CASE("layers use the memory of their costs: F, then B, or I and W") {
  for (const double dropout : {0.0, 0.1}) {
    const ModelSpec model = gpt(small_gpt(dropout), 1);
    for (const LayerSpec& layer : layers_of(model)) {
      const LayerCost cost = layer.cost({.samples = kSamples});
      for (const WeightStash::Mode mode :
           {WeightStash::Mode::immediate, WeightStash::Mode::deferred}) {
        const bool deferred = mode == WeightStash::Mode::deferred;
        INFO(layer.name << ", dropout " << dropout << (deferred ? ", I and W" : ", B"));
        const auto stream = make_stream({}, {});
        LayerRun run(*stream, model, layer);
        const bool first = layer.name == "embedding";
        const bool last = layer.name == "head";
        const LayerRun::Held forward = run.forward(first ? Tensor() : run.activations());
        check(forward.peak, cost.forward_bytes);
        CHECK(forward.after == cost.stash_bytes);
        WeightStash weights(mode);
        const LayerRun::Held backward = run.backward(last ? Tensor() : run.activations(), weights);
        check(backward.peak, deferred ? cost.backward_input_bytes : cost.backward_bytes);
        CHECK(backward.after == (deferred ? cost.weight_stash_bytes : 0));
        const LayerRun::Held weight = run.weight(weights);
        CHECK(weight.after == 0);
        if (deferred) {
          check(weight.peak, cost.weight_stash_bytes);
        }
      }
    }
  }
}

TEST_CASE("layers compute the FLOPs of their costs: F, then I and W, or B") {
  for (const double dropout : {0.0, 0.1}) {
    const ModelSpec model = gpt(small_gpt(dropout), 1);
    for (const LayerSpec& layer : layers_of(model)) {
      INFO(layer.name << ", dropout " << dropout);
      const LayerCost cost = layer.cost({.samples = kSamples});
      const bool first = layer.name == "embedding";
      const bool last = layer.name == "head";
      for (const bool deferred : {true, false}) {
        CountingStream stream;
        LayerRun run(stream, model, layer);
        stream.take();
        run.forward(first ? Tensor() : run.activations());
        const CountingStream::Count forward = stream.take();
        CHECK(forward.flops == cost.forward_flops);
        CHECK(forward.bytes > cost.stash_bytes);
        WeightStash weights(deferred ? WeightStash::Mode::deferred : WeightStash::Mode::immediate);
        run.backward(last ? Tensor() : run.activations(), weights);
        const double backward = stream.take().flops;
        CHECK(backward == cost.backward_input_flops + (deferred ? 0 : cost.backward_weight_flops));
        run.weight(weights);
        CHECK(stream.take().flops == (deferred ? cost.backward_weight_flops : 0));
      }
    }
  }
}

}  // namespace
}  // namespace stagecraft::test
