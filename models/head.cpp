#include "models/head.h"

#include <algorithm>

#include "kernels/ops/matmul.h"
#include "models/embedding.h"
#include "models/saved.h"

namespace stagecraft {

std::vector<ParameterUse> Head::parameters(const ModelConfig& config, int tensor_shards) {
  std::vector<ParameterUse> uses = LayerNorm::parameters("ln_f", config.hidden);
  uses.push_back(token_table(config, tensor_shards, "head"));
  return uses;
}

LayerCost Head::cost(const ModelConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t h = config.hidden;
  const std::int64_t columns = padded_vocab(config.vocab, shape.tensor) / shape.tensor;
  const auto product = static_cast<double>(2 * rows * h * columns);
  return {.forward_flops = product,
          .backward_input_flops = product,
          .backward_weight_flops = product,
          .forward_sum_bytes = 4 * rows * 3,
          .backward_sum_bytes = 4 * rows * h,
          .stash_bytes = 4 * rows * (2 * h + columns + 2 + 3),
          .weight_stash_bytes = 4 * rows * (3 * h + columns + 2),
          .forward_bytes = 4 * rows * (2 * h + columns + 2 + 3),
          .backward_bytes = 4 * rows * (std::max(3 * h + columns, 4 * h) + 2 + 3),
          .backward_input_bytes = 4 * rows * (4 * h + columns + 2 + 3)};
}

Head::Head(const ModelConfig& config, const LayerPlace& place)
    : norm_(place, "ln_f"),
      table_(place.parameters.at("wte.weight").weight),
      dtable_(place.parameters.gradient("wte.weight", "head")),
      shard_{.first_token = place.tensor_rank * table_.size(0), .vocabulary = config.vocab} {}

Tensor Head::forward(LayerContext& context, Tensor x, Stash& stash) {
  const Tensor normed = norm_.forward(context, x, stash);
  const Tensor logits = temporary(context, {x.size(0), table_.size(0)});
  matmul(context.stream, {.a = normed, .b = table_, .transpose_b = Transpose::yes, .c = logits});
  const SoftmaxStatistics statistics =
      vocab_cross_entropy_forward(context.stream, context.tensor, logits, context.batch.targets,
                                  shard_, context.batch.loss, MemoryLabel::workspace);
  save(context, stash, {logits, statistics.maximum, statistics.sum_and_target});
  return {};
}

Tensor Head::backward_input(LayerContext& context, Tensor /*dy*/, Stash& stash,
                            WeightStash& weights) {
  const Tensor sum_and_target = unsave(stash);
  const Tensor maximum = unsave(stash);
  Tensor dlogits = unsave(stash);
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  softmax_gradient(context.stream, {.logits = dlogits,
                                    .maximum = maximum,
                                    .sum_and_target = sum_and_target,
                                    .targets = context.batch.targets,
                                    .shard = shard_,
                                    .scale = context.batch.loss_scale});
  const Tensor dnormed = temporary(context, norm.y.shape());
  matmul(context.stream, {.a = dlogits, .b = table_, .c = dnormed});
  context.tensor.all_reduce(context.stream, dnormed, ReduceOp::sum, Order::tree);
  weights.add(context, {dlogits, norm.y},
              [dlogits, y = norm.y, dtable = dtable_,
               accumulate = !context.batch.first](LayerContext& later) {
                matmul(later.stream, {.a = dlogits,
                                      .transpose_a = Transpose::yes,
                                      .b = y,
                                      .c = dtable,
                                      .accumulate = accumulate});
              });
  dlogits = Tensor();
  return norm_.backward(context, dnormed, norm, {}, weights);
}

}  // namespace stagecraft
