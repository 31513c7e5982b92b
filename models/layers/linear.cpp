#include "models/layers/linear.h"

namespace stagecraft {
std::vector<ParameterUse> LinearWeights::parameters(const std::vector<Named>& layers) {
  std::vector<ParameterUse> uses;
  for (const auto& [config, prefix] : layers) {
    const ParameterSpec weight{prefix + ".weight",
                               {config.in, config.out},
                               config.weight_shard,
                               {Initializer::Kind::normal, config.deviation}};
    const ParameterSpec bias{
        prefix + ".bias", {config.out}, config.bias_shard, {Initializer::Kind::zeros}};
    uses.push_back({weight, ""});
    if (config.bias) {
      uses.push_back({bias, ""});
    }
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
