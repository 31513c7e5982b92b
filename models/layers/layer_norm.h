// A layer norm with its weights and saved tensors; replicated over the tensor axis.
#pragma once

#include <string>
#include <vector>

#include "models/layers/layer.h"

namespace stagecraft {

class LayerNorm {
 public:
  /// Parameters PREFIX.weight and PREFIX.bias, [h].
  static std::vector<ParameterUse> parameters(const std::string& prefix, std::int64_t hidden);
  LayerNorm(const LayerSetup& setup, const std::string& prefix);

  /// Saves x, y (the result), mean and rstd.
  Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) const;

  /// The tensors that forward saved; take() pops them from the stash.
  struct Saved {
    Tensor x, y, mean, rstd;
  };
  static Saved take(Stash& stash);
  /// Bytes that W needs for a norm over `rows` rows: partial sums of the weight gradients.
  static std::int64_t weight_stash_bytes(std::int64_t rows, std::int64_t hidden);
  /// dx = residual_gradient + gradient through the norm.
  Tensor backward(LayerContext& context, const Tensor& dy, const Saved& saved,
                  const Tensor& residual_gradient, WeightStash& weights) const;

 private:
  Tensor gamma_, beta_, dgamma_, dbeta_;
};

}  // namespace stagecraft
