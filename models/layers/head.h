// Final norm, logits over the tied token embedding, and the loss.
#pragma once

#include "models/layers/embedding.h"
#include "models/layers/layer_norm.h"
#include "tensor_parallel/layers/vocabulary_cross_entropy.h"

namespace stagecraft {

/// The content that the head reads: each row's token, or kIgnoredTarget.
inline constexpr const char* kTargets = "targets";
/// The loss that it writes: the sum over the rows whose target is not ignored.
inline constexpr const char* kLoss = "loss";

/// Logits are sharded over the tensor axis by vocabulary, and never gathered.
class Head : public Layer {
 public:
  static std::vector<ParameterUse> parameters(const EmbeddingConfig& config, int tensor_shards);
  static LayerCost cost(const EmbeddingConfig& config, int tensor_shards, const CostShape& shape);
  Head(const EmbeddingConfig& config, const LayerSetup& setup);

  /// Returns an empty tensor.
  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  /// dy is empty: this layer computes the loss.
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  LayerNorm norm_;
  Tensor table_;
  UseIndex dtable_;
  VocabularyShard shard_;
};

}  // namespace stagecraft
