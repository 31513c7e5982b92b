#include "tests/families/two_heads.h"

#include <algorithm>

#include "kernels/ops/matmul.h"
#include "models/layers/saved.h"

namespace stagecraft::test {

Classes::Classes(const ClassesConfig& config, const LayerSetup& setup)
    : config_(config),
      table_(setup.parameters.at(config.parameter).compute_weights),
      dtable_(setup.parameters.use(config.parameter, config.use)),
      shard_{.first_token = first_row(config.classes, setup.shards), .vocabulary = config.classes} {
}

void Classes::forward(LayerContext& context, const Tensor& normed, Stash& stash) const {
  const Tensor logits = temporary(context, {normed.size(0), table_.size(0)}, normed.dtype());
  matmul(context.stream, {.a = normed, .b = {table_, Transpose::yes}, .c = logits});
  const Tensor& targets = context.batch.content(config_.content);
  const MicroBatchLoss& loss = context.batch.loss(config_.loss);
  if (context.batch.saves) {
    vocab_cross_entropy_gradient(context.stream, context.tensor, logits, targets, shard_, loss.sum,
                                 loss.scale);
    save(context, stash, {logits});
  } else {
    vocab_cross_entropy(context.stream, context.tensor, logits, targets, shard_, loss.sum);
  }
}

void Classes::backward(LayerContext& context, const Tensor& normed, const Tensor& dnormed, bool add,
                       Stash& stash, WeightStash& weights) const {
  const Tensor dlogits = pop(stash);
  matmul(context.stream, {.a = dlogits, .b = table_, .c = dnormed, .accumulate = add});
  weights.add(context, {dlogits, normed}, [dlogits, normed, dtable = dtable_](LayerContext& later) {
    matmul(later.stream, {.a = {dlogits, Transpose::yes},
                          .b = normed,
                          .c = later.gradients.at(dtable),
                          .accumulate = later.accumulate});
  });
}

std::vector<ParameterUse> TwoHeads::parameters(const TwoHeadsConfig& config, int tensor_shards) {
  const ShardSpec shard{.dimension = 0,
                        .shards = tensor_shards,
                        .padded_size = padded_vocab(config.kinds.classes, tensor_shards)};
  const std::int64_t hidden = config.embedding.hidden;
  std::vector<ParameterUse> uses = LayerNorm::parameters({.hidden = hidden}, "ln_f");
  uses.push_back(token_table(config.embedding, tensor_shards, config.tokens.use));
  const ParameterSpec kinds{config.kinds.parameter,
                            {config.kinds.classes, hidden},
                            shard,
                            {Initializer::Kind::normal, config.embedding.deviation}};
  uses.push_back({kinds, config.kinds.use});
  return uses;
}

/// As that of Head, with the columns of both.
LayerCost TwoHeads::cost(const TwoHeadsConfig& config, int tensor_shards, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.embedding.sequence;
  const std::int64_t h = config.embedding.hidden;
  const LayerNormConfig norm{.hidden = h};
  const auto columns = (padded_vocab(config.tokens.classes, tensor_shards) +
                        padded_vocab(config.kinds.classes, tensor_shards)) /
                       shape.tensor;
  const std::int64_t activation = shape.activation_bytes();
  const std::int64_t sums = LayerNorm::weight_stash_bytes(norm, rows);
  const std::int64_t normed = LayerNorm::stash_bytes(norm, shape, rows);
  const std::int64_t stash = normed + activation * rows * columns;
  const std::int64_t norm_end = normed + activation * rows * 2 * h + sums;
  const auto product = static_cast<double>(2 * rows * h * columns);
  return {.forward_flops = product,
          .backward_input_flops = product,
          .backward_weight_flops = product,
          .forward_sum_bytes = 2 * 4 * rows * 3,
          .backward_sum_bytes = activation * rows * h,
          .stash_bytes = stash,
          .weight_stash_bytes = activation * rows * (h + columns) + sums,
          .forward_bytes = stash + 4 * rows * 3,
          .backward_bytes = std::max(stash + activation * rows * h, norm_end),
          .backward_input_bytes = norm_end + activation * rows * columns};
}

TwoHeads::TwoHeads(const TwoHeadsConfig& config, const LayerSetup& setup)
    : norm_({.hidden = config.embedding.hidden}, setup, "ln_f"),
      tokens_(config.tokens, setup),
      kinds_(config.kinds, setup) {}

Tensor TwoHeads::forward(LayerContext& context, Tensor x, Stash& stash) {
  const Tensor normed = norm_.forward(context, x, stash);
  tokens_.forward(context, normed, stash);
  kinds_.forward(context, normed, stash);
  return {};
}

Tensor TwoHeads::backward_input(LayerContext& context, Tensor /*dy*/, Stash& stash,
                                WeightStash& weights) {
  // Behind what the norm has saved lie both gradients of logits, the last one on top.
  Stash logits(stash.end() - 2, stash.end());
  stash.resize(stash.size() - 2);
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  const Tensor dnormed = temporary(context, norm.y.shape(), norm.y.dtype());
  kinds_.backward(context, norm.y, dnormed, false, logits, weights);
  tokens_.backward(context, norm.y, dnormed, true, logits, weights);
  context.tensor.all_reduce(context.stream, dnormed, ReduceOp::sum, Order::tree);
  return norm_.backward(context, dnormed, norm, {}, weights);
}

}  // namespace stagecraft::test
