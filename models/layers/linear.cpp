#include "models/layers/linear.h"

namespace stagecraft {
namespace {

/// What tensor_parallel/layers/linear.h takes: the shards' memory as one matrix, which has as many
/// columns, or rows, as they have together.
Tensor joined(const Tensor& shards, LinearKind kind) {
  const Shape& shape = shards.shape();
  if (shape.size() == 2) {
    return shards;
  }
  return kind == LinearKind::column_parallel ? shards.view({shape[1], shape[0] * shape[2]})
                                             : shards.view({shape[0] * shape[1], shape[2]});
}

Tensor flat(const Tensor& tensor) { return tensor.view({tensor.elements()}); }

}  // namespace

std::vector<ParameterUse> LinearWeights::parameters(const LinearConfig& config,
                                                    const std::string& prefix) {
  const Initializer normal{Initializer::Kind::normal, config.deviation};
  std::vector<ParameterUse> uses = {
      {{prefix + ".weight", {config.in, config.out}, config.weight_shard, normal}, ""}};
  if (config.bias) {
    uses.push_back(
        {{prefix + ".bias", {config.out}, config.bias_shard, {Initializer::Kind::zeros}}, ""});
  }
  return uses;
}

LinearWeights::LinearWeights(const LayerSetup& setup, const std::string& prefix, LinearKind along,
                             bool has_bias)
    : kind(along),
      shards(setup.shards.count),
      weight(joined(setup.parameters.at(prefix + ".weight").compute_weights, along)),
      dweight(setup.parameters.use(prefix + ".weight", "")) {
  if (has_bias) {
    bias = flat(setup.parameters.at(prefix + ".bias").compute_weights);
    dbias = setup.parameters.use(prefix + ".bias", "");
  }
}

void LinearWeights::backward(LayerContext& context, const Tensor& x, const Tensor& dy,
                             WeightStash& weights) const {
  weights.add(context, {x, dy},
              [x, dy, dw = dweight, db = dbias, along = kind, count = shards](LayerContext& later) {
                linear_backward_weight(later.stream, x, dy, joined(later.gradients.at(dw), along),
                                       db ? flat(later.gradients.at(*db)) : Tensor(),
                                       later.accumulate, along, count);
              });
}

}  // namespace stagecraft
