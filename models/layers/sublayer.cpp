#include "models/layers/sublayer.h"

#include <algorithm>
#include <iterator>

#include "models/layers/saved.h"

namespace stagecraft {

LayerCost Sublayer::cost(const SublayerConfig& config, const LayerCost& body,
                         const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t activation = shape.activation_bytes() * rows * config.norm.hidden;
  const std::int64_t norm = LayerNorm::stash_bytes(config.norm, shape, rows);
  const std::int64_t sums = LayerNorm::weight_stash_bytes(config.norm, rows);
  // What the norm saved, dy, and the gradient of the body's result, are live to the end of
  // backward.
  const std::int64_t held = norm + activation + (config.dropout > 0 ? activation : 0);
  const std::int64_t norm_end = held + 2 * activation + sums;  // and dn, dx
  LayerCost cost = body;
  cost.stash_bytes = norm + body.stash_bytes;
  // n, and the gradient of the body's result.
  cost.weight_stash_bytes = 2 * activation + body.weight_stash_bytes + sums;
  cost.forward_bytes = norm + body.forward_bytes;
  cost.backward_bytes = std::max(held + body.backward_bytes, norm_end);
  cost.backward_input_bytes =
      std::max(held + body.backward_input_bytes, norm_end + body.weight_stash_bytes);
  return cost;
}

Sublayer::Sublayer(const SublayerConfig& config, const LayerSetup& setup,
                   const SublayerNames& names, std::unique_ptr<Body> body)
    : placement_(config.placement),
      dropout_(config.dropout),
      dropout_key_(random_key(setup.seed, names.dropout)),
      norm_(config.norm, setup, names.norm),
      body_(std::move(body)) {}

Tensor Sublayer::forward(LayerContext& context, Tensor x, Stash& stash) {
  Stash norm;
  const Tensor n = norm_.forward(context, x, norm);
  Tensor y = body_->forward(context, n, stash);
  // On top of what the body saved: its backward is given n.
  std::move(norm.begin(), norm.end(), std::back_inserter(stash));
  bias_dropout_residual(context.stream, {.x = y,
                                         .bias = body_->output_bias(),
                                         .residual = placement_ == NormPlacement::pre ? x : n,
                                         .dropout = dropout_at(context, dropout_, dropout_key_),
                                         .y = y});
  return y;
}

Tensor Sublayer::backward_input(LayerContext& context, Tensor dy, Stash& stash,
                                WeightStash& weights) {
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  const Tensor branch = dropout_gradient(context, dy, dropout_, dropout_key_);
  const Tensor dn = body_->backward_input(context, branch, norm.y, stash, weights);
  if (placement_ == NormPlacement::pre) {
    return norm_.backward(context, dn, norm, dy, weights);
  }
  add(context.stream, {.a = dn, .b = dy, .c = dn});
  return norm_.backward(context, dn, norm, {}, weights);
}

LayerSpec sublayer(const SublayerConfig& config, const SublayerNames& names, BodySpec body) {
  std::vector<ParameterUse> uses = LayerNorm::parameters(config.norm, names.norm);
  std::move(body.parameters.begin(), body.parameters.end(), std::back_inserter(uses));
  return {
      .name = names.norm,
      .reads = std::move(body.reads),
      .parameters = std::move(uses),
      .cost = [config, cost = std::move(body.cost)](
                  const CostShape& shape) { return Sublayer::cost(config, cost(shape), shape); },
      .make = [config, names,
               make = std::move(body.make)](const LayerSetup& setup) -> std::unique_ptr<Layer> {
        return std::make_unique<Sublayer>(config, setup, names, make(setup));
      }};
}

}  // namespace stagecraft
