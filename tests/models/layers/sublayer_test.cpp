// Blocks of other arrangements than GPT's: values and gradients against float64.
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "tests/models/layers/block_reference.h"
#include "tests/models/layers/single_layer.h"

namespace stagecraft::test {
namespace {

using testing::dot;
using testing::max_relative_error;
using testing::numeric_gradient;
using testing::random_values;

constexpr std::int64_t kSamples = 2;
constexpr double kTolerance = 2e-5;

ModelConfig tiny_config() {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.sequence = 3;
  return config;
}

Values values_of(const Tensor& tensor) {
  const auto* first = tensor.data<float>();
  return {first, first + tensor.elements()};
}

ParameterValues values_of(const ParameterStore& store) {
  ParameterValues values;
  for (const Parameter& parameter : store.parameters()) {
    values[parameter.spec.name] = values_of(parameter.weight);
  }
  return values;
}

TEST_CASE("blocks of every kind agree with float64, forward and by finite differences") {
  const ModelConfig config = tiny_config();
  MicroBatch batch;
  batch.samples = kSamples;
  batch.sequence = config.sequence;
  const Shape shape = {batch.rows(), config.hidden};
  for (const BlockKind& kind : block_kinds()) {
    INFO(kind.name);
    const auto stream = make_stream({}, {});
    SingleLayer block(*stream, block_of(kind, config, 1, ""));
    const GradientSet& gradients = block.parameters().gradients();
    const ParameterValues weights = values_of(block.parameters());
    const Values x = random_values(elements_of(shape), 1);
    const Values dy = random_values(elements_of(shape), 2);
    const BlockReference reference(kind, config);

    Stash stash;
    WeightStash immediate(WeightStash::Mode::immediate);
    const LayerContext context = block.context(batch, gradients, false);
    const Tensor y = block.forward(context, floats_of(*stream, shape, x), stash);
    const Tensor dx = block.backward(context, floats_of(*stream, shape, dy), stash, immediate);
    CHECK(stash.empty());
    CHECK(max_relative_error(values_of(y), reference.forward(weights, x)) <= kTolerance);
    CHECK(max_relative_error(values_of(dx), numeric_gradient(
                                                [&](const Values& at) {
                                                  return dot(reference.forward(weights, at), dy);
                                                },
                                                x)) <= kTolerance);
    for (const Parameter& parameter : block.parameters().parameters()) {
      const std::string& name = parameter.spec.name;
      INFO(name);
      const auto loss = [&](const Values& at) {
        ParameterValues changed = weights;
        changed[name] = at;
        return dot(reference.forward(changed, x), dy);
      };
      CHECK(max_relative_error(values_of(gradients.at(parameter.first_use)),
                               numeric_gradient(loss, weights.at(name))) <= kTolerance);
    }
  }
}

TEST_CASE("a block without biases has no bias among its parameters") {
  const LayerSpec block = block_of(block_kinds().at(1), tiny_config(), 1, "");
  REQUIRE(block.parameters.size() == 6);
  for (const ParameterUse& use : block.parameters) {
    CHECK(use.parameter.name.ends_with(".weight"));
  }
}

}  // namespace
}  // namespace stagecraft::test
