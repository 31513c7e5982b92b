// Self-attention: proj(attention(qkv(x))).
#pragma once

#include <string>

#include "kernels/ops/attention.h"
#include "models/layers/body.h"
#include "models/layers/linear.h"

namespace stagecraft {

/// Global sizes; `heads` divides `hidden`.
struct AttentionConfig {
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t sequence = 0;  // T
  double dropout = 0;         // of the probabilities
  bool causal = true;         // a row attends to no row behind it
  /// The content with the number of rows of each sample that are not padding: the others are no
  /// keys, and attend to none. Empty: all rows are keys.
  std::string lengths = {};
  bool bias = true;
  // Weights are initialised as N(0, deviation), the projection onto the residual stream as
  // N(0, residual_deviation).
  float deviation = 0;
  float residual_deviation = 0;
};

/// Heads are sharded over the tensor axis: c_attn by columns (of each of q, k, v), c_proj by rows.
class Attention : public Body {
 public:
  static LayerCost cost(const AttentionConfig& config, const CostShape& shape);
  Attention(const AttentionConfig& config, const LayerSetup& setup, const std::string& prefix);

  Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, const Tensor& dy, const Tensor& x, Stash& stash,
                        WeightStash& weights) override;
  const Tensor& output_bias() const override { return projection_.bias; }

 private:
  struct Heads {
    Tensor q, k, v;
  };
  /// A shard's column ranges of q | k | v, of which the joined matrix has one for each shard.
  Heads heads_of(const Tensor& qkv, int shard) const;
  /// A shard's columns of the heads' results.
  Tensor columns_of(const Tensor& out, int shard) const;
  Tensor lengths_of(const LayerContext& context) const;
  AttentionShape shape_of(const LayerContext& context, int shard) const;
  Shape lse_shape(const LayerContext& context) const;
  void attend_backward(LayerContext& context, const Tensor& dout, const Tensor& qkv,
                       const Tensor& out, const Tensor& lse, const Tensor& dqkv) const;

  double dropout_;
  bool causal_;
  std::string lengths_;
  std::int64_t positions_;  // that the masks number: the largest T
  ShardRange shards_;
  std::int64_t heads_;  // of a shard
  std::int64_t head_size_;
  std::uint64_t probability_key_;
  LinearWeights qkv_;
  LinearWeights projection_;
};

/// Parameters PREFIXc_attn and PREFIXc_proj; random numbers of the name PREFIXattn_dropout.
BodySpec attention(const AttentionConfig& config, const std::string& prefix, int tensor_shards);

}  // namespace stagecraft
