// The attention half of a pre-norm block: x + dropout(proj(attention(qkv(norm(x))))).
#pragma once

#include "kernels/ops/attention.h"
#include "models/layers/layer_norm.h"
#include "models/layers/linear.h"

namespace stagecraft {

/// Global sizes; `heads` divides `hidden`.
struct AttentionConfig {
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t sequence = 0;  // T
  double dropout = 0;         // of the probabilities and of the residual branch
  // Weights are initialised as N(0, deviation), the projection onto the residual stream as
  // N(0, residual_deviation).
  float deviation = 0;
  float residual_deviation = 0;
};

/// Heads are sharded over the tensor axis: c_attn by columns (of each of q, k, v), c_proj by rows.
class Attention : public Layer {
 public:
  /// `prefix` is the block's, e.g. "h.3."; parameters ln_1, attn.c_attn, attn.c_proj.
  static std::vector<ParameterUse> parameters(const AttentionConfig& config,
                                              const std::string& prefix, int tensor_shards);
  static LayerCost cost(const AttentionConfig& config, const CostShape& shape);
  Attention(const AttentionConfig& config, const LayerSetup& setup, const std::string& prefix);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  struct Heads {
    Tensor q, k, v;
  };
  /// The column ranges of a joined [rows, 3 heads * D].
  Heads split(const Tensor& qkv) const;
  AttentionShape shape_of(const LayerContext& context) const;
  void attend_backward(LayerContext& context, const Tensor& dout, const Tensor& qkv,
                       const Tensor& out, const Tensor& lse, const Tensor& dqkv) const;

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
