// The attention half of a pre-norm block: x + dropout(proj(attention(qkv(norm(x))))).
#pragma once

#include "kernels/ops/attention.h"
#include "models/layer_norm.h"
#include "models/linear_weights.h"
#include "models/model_config.h"

namespace stagecraft {

/// Heads are cut over the tensor axis: c_attn by columns (of q, k and v each), c_proj by rows.
class Attention : public Layer {
 public:
  /// `prefix` is the block's, "h.3."; parameters ln_1, attn.c_attn, attn.c_proj.
  static std::vector<ParameterUse> parameters(const ModelConfig& config, const std::string& prefix,
                                              int tensor_shards);
  static LayerCost cost(const ModelConfig& config, const CostShape& shape);
  Attention(const ModelConfig& config, const LayerPlace& place, const std::string& prefix);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  AttentionShape shape_of(const LayerContext& context) const;

  double dropout_;
  std::int64_t heads_;  // local
  std::int64_t head_size_;
  std::int64_t first_head_;
  std::uint64_t probability_key_;
  std::uint64_t residual_key_;
  LayerNorm norm_;
  LinearWeights qkv_;
  LinearWeights projection_;
};

}  // namespace stagecraft
