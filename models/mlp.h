// The MLP half of a pre-norm block: x + dropout(proj(gelu(fc(norm(x))))).
#pragma once

#include "models/layer_norm.h"
#include "models/linear_weights.h"
#include "models/model_config.h"

namespace stagecraft {

/// The 4 h hidden units are cut over the tensor axis: c_fc by columns, c_proj by rows.
class Mlp : public Layer {
 public:
  /// `prefix` is the block's, "h.3."; parameters ln_2, mlp.c_fc, mlp.c_proj.
  static std::vector<ParameterUse> parameters(const ModelConfig& config, const std::string& prefix,
                                              int tensor_shards);
  static LayerCost cost(const ModelConfig& config, const CostShape& shape);
  Mlp(const ModelConfig& config, const LayerPlace& place, const std::string& prefix);

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
