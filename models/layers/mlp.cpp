#include "models/layers/mlp.h"

#include <algorithm>

#include "models/layers/saved.h"

namespace stagecraft {

std::vector<ParameterUse> Mlp::parameters(const MlpConfig& config, const std::string& prefix,
                                          int tensor_shards) {
  const std::int64_t h = config.hidden;
  const Initializer normal{Initializer::Kind::normal, config.deviation};
  const Initializer residual{Initializer::Kind::normal, config.residual_deviation};
  const Initializer zeros{Initializer::Kind::zeros};
  std::vector<ParameterUse> uses = LayerNorm::parameters(prefix + "ln_2", h);
  const std::string name = prefix + "mlp.";
  const int t = tensor_shards;
  uses.push_back({{name + "c_fc.weight", {h, 4 * h}, {1, t}, normal}, ""});
  uses.push_back({{name + "c_fc.bias", {4 * h}, {0, t}, zeros}, ""});
  uses.push_back({{name + "c_proj.weight", {4 * h, h}, {0, t}, residual}, ""});
  uses.push_back({{name + "c_proj.bias", {h}, {}, zeros}, ""});
  return uses;
}

LayerCost Mlp::cost(const MlpConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t h = config.hidden;
  const std::int64_t local = 4 * h / shape.tensor;
  const auto linear = static_cast<double>(2 * rows * h * 2 * local);
  const std::int64_t activation = shape.activation_bytes();
  const std::int64_t statistics = 8 * rows;  // mean and rstd
  const std::int64_t sums = LayerNorm::weight_stash_bytes(rows, h);
  const std::int64_t branch = config.dropout > 0 ? rows * h : 0;
  const std::int64_t stash = activation * rows * (2 * h + 2 * local) + statistics;
  // Live at the end of the GELU's backward: the stash, dy and dup.
  const std::int64_t up_end = stash + activation * (rows * (h + local) + branch);
  // Live in the norm's backward: dy, dnormed and dx, and the norm's saved x and y.
  const std::int64_t norm_end = activation * (rows * 5 * h + branch) + statistics + sums;
  return {.forward_flops = linear,
          .backward_input_flops = linear,
          .backward_weight_flops = linear,
          .forward_sum_bytes = activation * rows * h,
          .backward_sum_bytes = activation * rows * h,
          .stash_bytes = stash,
          .weight_stash_bytes = activation * rows * (2 * h + 2 * local) + sums,
          .forward_bytes = stash + activation * rows * h,
          .backward_bytes = std::max(up_end, norm_end),
          .backward_input_bytes = std::max(up_end, norm_end + activation * rows * 2 * local)};
}

Mlp::Mlp(const MlpConfig& config, const LayerSetup& setup, const std::string& prefix)
    : dropout_(config.dropout),
      residual_key_(random_key(setup.seed, prefix + "mlp.resid_dropout")),
      norm_(setup, prefix + "ln_2"),
      up_(setup, prefix + "mlp.c_fc"),
      down_(setup, prefix + "mlp.c_proj") {}

Tensor Mlp::forward(LayerContext& context, Tensor x, Stash& stash) {
  const Tensor normed = norm_.forward(context, x, stash);
  const Tensor up = temporary(context, {x.size(0), up_.weight.size(1)}, x.dtype());
  const Tensor active = temporary(context, up.shape(), up.dtype());
  column_linear_activation_forward(context.stream, normed, up_.weight, up_.bias,
                                   Activation::gelu_tanh, up, active);
  save(context, stash, {up, active});
  Tensor y = temporary(context, x.shape(), x.dtype());
  row_linear_forward(context.stream, context.tensor, active, down_.weight, y);
  bias_dropout_residual(context.stream, {.x = y,
                                         .bias = down_.bias,
                                         .residual = x,
                                         .dropout = dropout_at(context, dropout_, residual_key_),
                                         .y = y});
  return y;
}

Tensor Mlp::backward_input(LayerContext& context, Tensor dy, Stash& stash, WeightStash& weights) {
  Tensor active = pop(stash);
  Tensor up = pop(stash);
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  const Tensor branch = dropout_gradient(context, dy, dropout_, residual_key_);
  Tensor dup = temporary(context, up.shape(), up.dtype());
  row_linear_activation_backward_input(context.stream, branch, down_.weight,
                                       Activation::gelu_tanh, up, dup);
  down_.backward(context, active, branch, weights);
  active = up = Tensor();
  const Tensor dnormed = temporary(context, dy.shape(), dy.dtype());
  const Event summed =
      column_linear_backward_input(context.stream, context.tensor, dup, up_.weight, dnormed);
  up_.backward(context, norm.y, dup, weights);
  dup = Tensor();
  context.stream.wait(summed);
  return norm_.backward(context, dnormed, norm, dy, weights);
}

}  // namespace stagecraft
