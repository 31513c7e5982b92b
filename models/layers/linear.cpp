#include "models/layers/linear.h"

namespace stagecraft {
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

LinearWeights::LinearWeights(const LayerSetup& setup, const std::string& prefix, bool has_bias)
    : weight(setup.parameters.at(prefix + ".weight").compute_weights),
      dweight(setup.parameters.use(prefix + ".weight", "")) {
  if (has_bias) {
    bias = setup.parameters.at(prefix + ".bias").compute_weights;
    dbias = setup.parameters.use(prefix + ".bias", "");
  }
}

void LinearWeights::backward(LayerContext& context, const Tensor& x, const Tensor& dy,
                             WeightStash& weights) const {
  weights.add(context, {x, dy}, [x, dy, dw = dweight, db = dbias](LayerContext& later) {
    linear_backward_weight(later.stream, x, dy, later.gradients.at(dw),
                           db ? later.gradients.at(*db) : Tensor(), later.accumulate);
  });
}

}  // namespace stagecraft
