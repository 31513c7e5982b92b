// A layer norm with its weights and what it saves; replicated over the tensor axis.
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

  /// Saves x, the result, mean and rstd.
  Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) const;

  /// What forward saved, taken from the stash in reverse.
  struct Saved {
    Tensor x, y, mean, rstd;
  };
  static Saved take(Stash& stash);
  /// What W needs of a norm over `rows` rows: partial sums of its weights' gradients.
  static std::int64_t weight_stash_bytes(std::int64_t rows, std::int64_t hidden);
  /// dx = residual_gradient + gradient through the norm.
  Tensor backward(LayerContext& context, const Tensor& dy, const Saved& saved,
                  const Tensor& residual_gradient, WeightStash& weights) const;

 private:
  Tensor gamma_, beta_, dgamma_, dbeta_;
};

}  // namespace stagecraft
