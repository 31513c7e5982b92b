// The MLP: down(f(up(x))) with an activation f.
#pragma once

#include "kernels/ops/activation.h"
#include "models/layers/body.h"
#include "models/layers/linear.h"

namespace stagecraft {

/// Global sizes.
struct MlpConfig {
  std::int64_t hidden = 0;
  std::int64_t inner = 0;
  std::int64_t sequence = 0;  // T
  Activation activation = Activation::gelu_tanh;
  bool bias = true;
  // Weights are initialised as N(0, deviation), the projection onto the residual stream as
  // N(0, residual_deviation).
  float deviation = 0;
  float residual_deviation = 0;
};

/// The inner units are sharded over the tensor axis: c_fc by columns, c_proj by rows.
class Mlp : public Body {
 public:
  static LayerCost cost(const MlpConfig& config, const CostShape& shape);
  Mlp(const MlpConfig& config, const LayerSetup& setup, const std::string& prefix);

  Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, const Tensor& dy, const Tensor& x, Stash& stash,
                        WeightStash& weights) override;
  const Tensor& output_bias() const override { return down_.bias; }

 private:
  Activation activation_;
  std::int64_t columns_;  // of this rank's inner activations
  LinearWeights up_;
  LinearWeights down_;
};

/// Parameters PREFIXc_fc and PREFIXc_proj.
BodySpec mlp(const MlpConfig& config, const std::string& prefix, int tensor_shards);

}  // namespace stagecraft
