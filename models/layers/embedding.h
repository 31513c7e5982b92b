// Token and position embedding: dropout(wte[token] + wpe[position]).
#pragma once

#include "models/layers/layer.h"

namespace stagecraft {

/// Global sizes. Both tables are initialised as N(0, deviation).
struct EmbeddingConfig {
  std::int64_t vocabulary = 0;  // without padding
  std::int64_t hidden = 0;
  std::int64_t sequence = 0;  // T
  double dropout = 0;
  float deviation = 0;
};

/// The vocabulary with padding: the next multiple of 128 * tensor_shards.
std::int64_t padded_vocab(std::int64_t vocab, int tensor_shards);

/// The contents that the embedding reads: the tokens, and token_order() of them for the backward.
inline constexpr const char* kTokens = "tokens";
inline constexpr const char* kTokenOrder = "token_order";

/// The number of the first row that the shards hold of a table with this many rows.
std::int64_t first_row(std::int64_t vocab, const ShardRange& shards);

/// A rank's rows of the token table [rows, h], or of its gradient: those of its shards follow each
/// other.
Tensor table_rows(const Tensor& shards);

/// wte is sharded over the tensor axis by vocabulary rows; wpe is replicated.
class Embedding : public Layer {
 public:
  static std::vector<ParameterUse> parameters(const EmbeddingConfig& config, int tensor_shards);
  static LayerCost cost(const EmbeddingConfig& config, const CostShape& shape);
  Embedding(const EmbeddingConfig& config, const LayerSetup& setup);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  double dropout_;
  std::uint64_t dropout_key_;
  std::int64_t first_token_;
  Tensor tokens_, positions_;
  UseIndex dtokens_, dpositions_;
};

/// One use, "embedding" or "head", of the tied token embedding.
ParameterUse token_table(const EmbeddingConfig& config, int tensor_shards, std::string use);

}  // namespace stagecraft
