// The MLP half of a pre-norm block: x + dropout(proj(gelu(fc(norm(x))))).
#pragma once

#include "models/layers/layer_norm.h"
#include "models/layers/linear.h"

namespace stagecraft {

/// Global sizes.
struct MlpConfig {
  std::int64_t hidden = 0;
  std::int64_t sequence = 0;  // T
  double dropout = 0;         // of the residual branch
  // Weights are initialised as N(0, deviation), the projection onto the residual stream as
  // N(0, residual_deviation).
  float deviation = 0;
  float residual_deviation = 0;
};

/// The 4 h hidden units are sharded over the tensor axis: c_fc by columns, c_proj by rows.
class Mlp : public Layer {
 public:
  /// `prefix` is the block's, e.g. "h.3."; parameters ln_2, mlp.c_fc, mlp.c_proj.
  static std::vector<ParameterUse> parameters(const MlpConfig& config, const std::string& prefix,
                                              int tensor_shards);
  static LayerCost cost(const MlpConfig& config, const CostShape& shape);
  Mlp(const MlpConfig& config, const LayerSetup& setup, const std::string& prefix);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  double dropout_;
  std::uint64_t residual_key_;
  LayerNorm norm_;
  LinearWeights up_;
  LinearWeights down_;
};

}  // namespace stagecraft
