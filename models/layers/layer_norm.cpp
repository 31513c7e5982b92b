#include "models/layers/layer_norm.h"

#include "kernels/ops/norm.h"
#include "models/layers/saved.h"

namespace stagecraft {

std::vector<ParameterUse> LayerNorm::parameters(const LayerNormConfig& config,
                                                const std::string& prefix) {
  std::vector<ParameterUse> uses = {
      {{prefix + ".weight", {config.hidden}, {}, {Initializer::Kind::ones}}, ""}};
  if (config.beta) {
    uses.push_back({{prefix + ".bias", {config.hidden}, {}, {Initializer::Kind::zeros}}, ""});
  }
  return uses;
}

LayerNorm::LayerNorm(const LayerNormConfig& config, const LayerSetup& setup,
                     const std::string& prefix)
    : epsilon_(config.epsilon),
      gamma_(setup.parameters.at(prefix + ".weight").weight),
      dgamma_(setup.parameters.use(prefix + ".weight", "")) {
  if (config.beta) {
    beta_ = setup.parameters.at(prefix + ".bias").weight;
    dbeta_ = setup.parameters.use(prefix + ".bias", "");
  }
}

Tensor LayerNorm::forward(LayerContext& context, const Tensor& x, Stash& stash) const {
  Tensor y = temporary(context, x.shape(), x.dtype());
  const Tensor mean = temporary(context, {x.size(0)}, DType::float32);
  const Tensor rstd = temporary(context, {x.size(0)}, DType::float32);
  layer_norm_forward(context.stream, {.x = x,
                                      .gamma = gamma_,
                                      .beta = beta_,
                                      .epsilon = epsilon_,
                                      .y = y,
                                      .mean = mean,
                                      .rstd = rstd});
  save(context, stash, {x, y, mean, rstd});
  return y;
}

LayerNorm::Saved LayerNorm::take(Stash& stash) {
  Saved saved;
  saved.rstd = pop(stash);
  saved.mean = pop(stash);
  saved.y = pop(stash);
  saved.x = pop(stash);
  return saved;
}

std::int64_t LayerNorm::stash_bytes(const LayerNormConfig& config, const CostShape& shape,
                                    std::int64_t rows) {
  const std::int64_t statistics = 2 * size_of(DType::float32);
  return rows * (2 * config.hidden * shape.activation_bytes() + statistics);
}

std::int64_t LayerNorm::weight_stash_bytes(const LayerNormConfig& config, std::int64_t rows) {
  return size_of(DType::float32) * elements_of(norm_sums_shape(rows, config.hidden));
}

Tensor LayerNorm::backward(LayerContext& context, const Tensor& dy, const Saved& saved,
                           const Tensor& residual_gradient, WeightStash& weights) const {
  Tensor dx = temporary(context, saved.x.shape(), saved.x.dtype());
  const Tensor sums =
      temporary(context, norm_sums_shape(saved.x.size(0), saved.x.size(1)), DType::float32);
  layer_norm_backward_input(context.stream, {.dy = dy,
                                             .x = saved.x,
                                             .gamma = gamma_,
                                             .mean = saved.mean,
                                             .rstd = saved.rstd,
                                             .residual_gradient = residual_gradient,
                                             .dx = dx,
                                             .sums = sums});
  weights.add(context, {sums}, [sums, dgamma = dgamma_, dbeta = dbeta_](LayerContext& later) {
    layer_norm_backward_weight(later.stream,
                               {.sums = sums,
                                .dgamma = later.gradients.at(dgamma),
                                .dbeta = dbeta ? later.gradients.at(*dbeta) : Tensor(),
                                .accumulate = later.accumulate});
  });
  return dx;
}

}  // namespace stagecraft
