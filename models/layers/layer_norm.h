// A layer norm with its weights and saved tensors; replicated over the tensor axis.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/layers/layer.h"

namespace stagecraft {

struct LayerNormConfig {
  std::int64_t hidden = 0;
  float epsilon = 1e-5F;
  bool beta = true;
};

class LayerNorm {
 public:
  /// Parameters PREFIX.weight and, with beta, PREFIX.bias, [h].
  static std::vector<ParameterUse> parameters(const LayerNormConfig& config,
                                              const std::string& prefix);
  LayerNorm(const LayerNormConfig& config, const LayerSetup& setup, const std::string& prefix);

  /// Saves x, y (the result), mean and rstd.
  Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) const;

  /// The tensors that forward saved; take() pops them from the stash.
  struct Saved {
    Tensor x, y, mean, rstd;
  };
  static Saved take(Stash& stash);
  /// Bytes that forward saves of `rows` rows.
  static std::int64_t stash_bytes(const LayerNormConfig& config, const CostShape& shape,
                                  std::int64_t rows);
  /// Bytes that W needs for a norm over `rows` rows: partial sums of the weight gradients.
  static std::int64_t weight_stash_bytes(const LayerNormConfig& config, std::int64_t rows);
  /// dx = residual_gradient + gradient through the norm; an empty residual_gradient counts as zero.
  Tensor backward(LayerContext& context, const Tensor& dy, const Saved& saved,
                  const Tensor& residual_gradient, WeightStash& weights) const;

 private:
  float epsilon_;
  Tensor gamma_, beta_;  // beta is empty if the norm has none
  UseIndex dgamma_;
  std::optional<UseIndex> dbeta_;
};

}  // namespace stagecraft
