#include "models/layers/embedding.h"

#include "kernels/ops/embedding.h"
#include "models/layers/saved.h"

namespace stagecraft {

std::int64_t padded_vocab(std::int64_t vocab, int tensor_shards) {
  const std::int64_t multiple = std::int64_t{128} * tensor_shards;
  return (vocab + multiple - 1) / multiple * multiple;
}

std::int64_t first_row(std::int64_t vocab, const ShardRange& shards) {
  return padded_vocab(vocab, shards.all) / shards.all * shards.first;
}

Tensor table_rows(const Tensor& shards) {
  const std::int64_t hidden = shards.shape().back();
  return shards.view({shards.elements() / hidden, hidden});
}

ParameterUse token_table(const EmbeddingConfig& config, int tensor_shards, std::string use) {
  const ShardSpec shard{.dimension = 0,
                        .shards = tensor_shards,
                        .padded_size = padded_vocab(config.vocabulary, tensor_shards)};
  return {{"wte.weight",
           {config.vocabulary, config.hidden},
           shard,
           {Initializer::Kind::normal, config.deviation}},
          std::move(use)};
}

std::vector<ParameterUse> Embedding::parameters(const EmbeddingConfig& config, int tensor_shards) {
  return {token_table(config, tensor_shards, "embedding"),
          {{"wpe.weight",
            {config.sequence, config.hidden},
            {},
            {Initializer::Kind::normal, config.deviation}},
           ""}};
}

LayerCost Embedding::cost(const EmbeddingConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t tensor = shape.activation_bytes() * rows * config.hidden;
  const std::int64_t backward = config.dropout > 0 ? 2 * tensor : tensor;
  return {.forward_sum_bytes = tensor,
          .weight_stash_bytes = tensor,
          .forward_bytes = tensor,
          .backward_bytes = backward,
          .backward_input_bytes = backward};
}

Embedding::Embedding(const EmbeddingConfig& config, const LayerSetup& setup)
    : dropout_(config.dropout),
      dropout_key_(random_key(setup.seed, "drop")),
      first_token_(first_row(config.vocabulary, setup.shards)),
      tokens_(table_rows(setup.parameters.at("wte.weight").compute_weights)),
      positions_(setup.parameters.at("wpe.weight").compute_weights),
      dtokens_(setup.parameters.use("wte.weight", "embedding")),
      dpositions_(setup.parameters.use("wpe.weight", "")) {}

Tensor Embedding::forward(LayerContext& context, Tensor /*x*/, Stash& /*stash*/) {
  Tensor y = temporary(context, {context.batch.rows(), tokens_.size(1)}, tokens_.dtype());
  token_embedding_forward(context.stream, {.tokens = context.batch.content(kTokens),
                                           .table = tokens_,
                                           .first_token = first_token_,
                                           .y = y});
  context.tensor.all_reduce(context.stream, y, ReduceOp::sum, Order::tree);
  position_embedding_forward(context.stream,
                             {.x = y,
                              .table = positions_,
                              .dropout = dropout_at(context, dropout_, dropout_key_),
                              .y = y});
  return y;
}

Tensor Embedding::backward_input(LayerContext& context, Tensor dy, Stash& /*stash*/,
                                 WeightStash& weights) {
  const Tensor sum = dropout_gradient(context, dy, dropout_, dropout_key_);
  weights.add(
      context, {sum},
      [this, sum, order = context.batch.content(kTokenOrder),
       sequence = context.batch.sequence](LayerContext& later) {
        token_embedding_backward(later.stream, {.order = order,
                                                .dy = sum,
                                                .first_token = first_token_,
                                                .dtable = table_rows(later.gradients.at(dtokens_)),
                                                .accumulate = later.accumulate});
        position_embedding_backward(later.stream, {.dy = sum,
                                                   .rows_per_sample = sequence,
                                                   .dtable = later.gradients.at(dpositions_),
                                                   .accumulate = later.accumulate});
      });
  return {};
}

}  // namespace stagecraft
