// A last layer with two losses: final norm, then logits over the tied token table and logits over
// a few classes.
#pragma once

#include <string>
#include <vector>

#include "models/layers/embedding.h"
#include "models/layers/layer_norm.h"
#include "tensor_parallel/layers/vocabulary_cross_entropy.h"

namespace stagecraft::test {

/// One of the two: logits, sharded over the tensor axis, and their loss.
struct ClassesConfig {
  std::string parameter;          // [classes, h]
  std::string use;                // of the parameter; "" if it is not tied
  std::int64_t classes = 0;       // without padding
  const char* content = nullptr;  // the targets
  const char* loss = nullptr;
};

class Classes {
 public:
  Classes(const ClassesConfig& config, const LayerSetup& setup);
  /// Writes the loss. Saves the gradient of the logits.
  void forward(LayerContext& context, const Tensor& normed, Stash& stash) const;
  /// dnormed = the gradient through the logits of this rank, or is added to it.
  void backward(LayerContext& context, const Tensor& normed, const Tensor& dnormed, bool add,
                Stash& stash, WeightStash& weights) const;

 private:
  ClassesConfig config_;
  Tensor table_;
  UseIndex dtable_;
  VocabularyShard shard_;
};

struct TwoHeadsConfig {
  EmbeddingConfig embedding;
  ClassesConfig tokens, kinds;
};

class TwoHeads : public Layer {
 public:
  static std::vector<ParameterUse> parameters(const TwoHeadsConfig& config, int tensor_shards);
  static LayerCost cost(const TwoHeadsConfig& config, int tensor_shards, const CostShape& shape);
  TwoHeads(const TwoHeadsConfig& config, const LayerSetup& setup);
  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  LayerNorm norm_;
  Classes tokens_, kinds_;
};

}  // namespace stagecraft::test
