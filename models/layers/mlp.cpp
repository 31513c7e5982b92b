#include "models/layers/mlp.h"

#include <algorithm>

#include "models/layers/saved.h"

namespace stagecraft {
namespace {

std::vector<ParameterUse> parameters_of(const MlpConfig& config, const std::string& prefix,
                                        int shards) {
  const LinearConfig up{.in = config.hidden,
                        .out = config.inner,
                        .weight_shard = {1, shards},
                        .bias_shard = {0, shards},
                        .deviation = config.deviation,
                        .bias = config.bias};
  const LinearConfig down{.in = config.inner,
                          .out = config.hidden,
                          .weight_shard = {0, shards},
                          .bias_shard = {},
                          .deviation = config.residual_deviation,
                          .bias = config.bias};
  return LinearWeights::parameters({{up, prefix + "c_fc"}, {down, prefix + "c_proj"}});
}

}  // namespace

LayerCost Mlp::cost(const MlpConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t outer = shape.activation_bytes() * rows * config.hidden;
  const std::int64_t inner = shape.activation_bytes() * rows * (config.inner / shape.tensor);
  const auto linear =
      static_cast<double>(2 * rows * config.hidden * 2 * (config.inner / shape.tensor));
  return {.forward_flops = linear,
          .backward_input_flops = linear,
          .backward_weight_flops = linear,
          .forward_sum_bytes = outer,
          .backward_sum_bytes = outer,
          .stash_bytes = 2 * inner,         // before and behind the activation
          .weight_stash_bytes = 2 * inner,  // behind the activation, and the gradient before it
          .forward_bytes = 2 * inner + outer,
          // The stash and the gradient before the activation; then, beside what W needs, dx.
          .backward_bytes = std::max(3 * inner, inner + outer),
          .backward_input_bytes = std::max(3 * inner, 2 * inner + outer)};
}

Mlp::Mlp(const MlpConfig& config, const LayerSetup& setup, const std::string& prefix)
    : activation_(config.activation),
      columns_(config.inner / setup.shards.all * setup.shards.count),
      up_(setup, prefix + "c_fc", config.bias),
      down_(setup, prefix + "c_proj", config.bias) {}

Tensor Mlp::forward(LayerContext& context, const Tensor& x, Stash& stash) {
  const Tensor up = temporary(context, {x.size(0), columns_}, x.dtype());
  const Tensor active = temporary(context, up.shape(), up.dtype());
  column_linear_activation_forward(context.stream, x, up_.weight, up_.bias, activation_, up,
                                   active);
  save(context, stash, {up, active});
  Tensor y = temporary(context, x.shape(), x.dtype());
  row_linear_forward(context.stream, context.tensor, active, down_.weight, y);
  return y;
}

Tensor Mlp::backward_input(LayerContext& context, const Tensor& dy, const Tensor& x, Stash& stash,
                           WeightStash& weights) {
  Tensor active = pop(stash);
  Tensor up = pop(stash);
  const Tensor dup = temporary(context, up.shape(), up.dtype());
  row_linear_activation_backward_input(context.stream, dy, down_.weight, activation_, up, dup);
  down_.backward(context, active, dy, weights);
  active = up = Tensor();
  Tensor dx = temporary(context, x.shape(), x.dtype());
  const Event summed =
      column_linear_backward_input(context.stream, context.tensor, dup, up_.weight, dx);
  up_.backward(context, x, dup, weights);
  context.stream.wait(summed);
  return dx;
}

BodySpec mlp(const MlpConfig& config, const std::string& prefix, int tensor_shards) {
  return {.parameters = parameters_of(config, prefix, tensor_shards),
          .cost = [config](const CostShape& shape) { return Mlp::cost(config, shape); },
          .make = [config, prefix](const LayerSetup& setup) -> std::unique_ptr<Body> {
            return std::make_unique<Mlp>(config, setup, prefix);
          }};
}

}  // namespace stagecraft
