#include "models/layers/head.h"

#include <algorithm>

#include "kernels/ops/matmul.h"
#include "models/layers/saved.h"

namespace stagecraft {
namespace {

LayerNormConfig norm_config(const EmbeddingConfig& config) { return {.hidden = config.hidden}; }

}  // namespace

std::vector<ParameterUse> Head::parameters(const EmbeddingConfig& config, int tensor_shards) {
  std::vector<ParameterUse> uses = LayerNorm::parameters(norm_config(config), "ln_f");
  uses.push_back(token_table(config, tensor_shards, "head"));
  return uses;
}

LayerCost Head::cost(const EmbeddingConfig& config, int tensor_shards, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t h = config.hidden;
  const std::int64_t columns = padded_vocab(config.vocabulary, tensor_shards) / shape.tensor;
  const std::int64_t activation = shape.activation_bytes();
  const std::int64_t norm = LayerNorm::stash_bytes(norm_config(config), shape, rows);
  const std::int64_t sums = LayerNorm::weight_stash_bytes(norm_config(config), rows);
  const std::int64_t stash = norm + activation * rows * columns;
  // Live in the norm's backward: what it saved, dnormed and dx.
  const std::int64_t norm_end = norm + activation * rows * 2 * h + sums;
  const auto product = static_cast<double>(2 * rows * h * columns);
  return {.forward_flops = product,
          .backward_input_flops = product,
          .backward_weight_flops = product,
          .forward_sum_bytes = 4 * rows * 3,
          .backward_sum_bytes = activation * rows * h,
          .stash_bytes = stash,
          .weight_stash_bytes = activation * rows * (h + columns) + sums,
          .forward_bytes = stash + 4 * rows * 3,
          .backward_bytes = std::max(stash + activation * rows * h, norm_end),
          .backward_input_bytes = norm_end + activation * rows * columns};
}

Head::Head(const EmbeddingConfig& config, const LayerSetup& setup)
    : norm_(norm_config(config), setup, "ln_f"),
      table_(table_rows(setup.parameters.at("wte.weight").compute_weights)),
      dtable_(setup.parameters.use("wte.weight", "head")),
      shard_{.first_token = first_row(config.vocabulary, setup.shards),
             .vocabulary = config.vocabulary} {}

Tensor Head::forward(LayerContext& context, Tensor x, Stash& stash) {
  const Tensor normed = norm_.forward(context, x, stash);
  const Tensor logits = temporary(context, {x.size(0), table_.size(0)}, x.dtype());
  matmul(context.stream, {.a = normed, .b = {table_, Transpose::yes}, .c = logits});
  const Tensor& targets = context.batch.content(kTargets);
  const MicroBatchLoss& loss = context.batch.loss(kLoss);
  if (context.batch.saves) {
    // The gradient overwrites the logits, which are not needed any more.
    vocab_cross_entropy_gradient(context.stream, context.tensor, logits, targets, shard_, loss.sum,
                                 loss.scale);
    save(context, stash, {logits});
  } else {
    vocab_cross_entropy(context.stream, context.tensor, logits, targets, shard_, loss.sum);
  }
  return {};
}

Tensor Head::backward_input(LayerContext& context, Tensor /*dy*/, Stash& stash,
                            WeightStash& weights) {
  Tensor dlogits = pop(stash);
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  const Tensor dnormed = temporary(context, norm.y.shape(), norm.y.dtype());
  matmul(context.stream, {.a = dlogits, .b = table_, .c = dnormed});
  const Event summed =
      start_all_reduce(context.tensor, context.stream, dnormed, ReduceOp::sum, Order::tree);
  weights.add(context, {dlogits, norm.y},
              [dlogits, y = norm.y, dtable = dtable_](LayerContext& later) {
                matmul(later.stream, {.a = {dlogits, Transpose::yes},
                                      .b = y,
                                      .c = table_rows(later.gradients.at(dtable)),
                                      .accumulate = later.accumulate});
              });
  dlogits = Tensor();
  context.stream.wait(summed);
  return norm_.backward(context, dnormed, norm, {}, weights);
}

}  // namespace stagecraft
