// Token and position embedding: dropout(wte[token] + wpe[position]).
#pragma once

#include "models/layer.h"
#include "models/model_config.h"

namespace stagecraft {

/// wte is cut over the tensor axis by vocabulary rows, wpe is replicated.
class Embedding : public Layer {
 public:
  static std::vector<ParameterUse> parameters(const ModelConfig& config, int tensor_shards);
  static LayerCost cost(const ModelConfig& config, const CostShape& shape);
  Embedding(const ModelConfig& config, const LayerPlace& place);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  double dropout_;
  std::uint64_t dropout_key_;
  std::int64_t first_token_;
  Tensor tokens_, positions_, dtokens_, dpositions_;
};

/// The tied token embedding as one of its uses, "embedding" or "head".
ParameterUse token_table(const ModelConfig& config, int tensor_shards, std::string use);

}  // namespace stagecraft
