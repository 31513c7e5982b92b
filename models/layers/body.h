// The body of a sub-layer: what stands between its norm and its residual (sublayer.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/layers/layer.h"

namespace stagecraft {

/// Holds its parameters and no micro-batch state, as a Layer does.
class Body {
 public:
  virtual ~Body() = default;
  /// y [rows, h] of the normed input x [rows, h], without output_bias(): the residual adds it,
  /// fused with the dropout. y is memory of its own.
  virtual Tensor forward(LayerContext& context, const Tensor& x, Stash& stash) = 0;
  /// The gradient of x, in memory of its own, from dy, the gradient of y. x is what forward was
  /// given. Adds the weight gradients, that of output_bias() among them, to `weights`.
  virtual Tensor backward_input(LayerContext& context, const Tensor& dy, const Tensor& x,
                                Stash& stash, WeightStash& weights) = 0;
  /// [h], in the compute dtype; empty if the body has none.
  virtual const Tensor& output_bias() const = 0;
};

/// As LayerSpec. The bytes of `cost` leave out x and dy, which the sub-layer holds and counts.
struct BodySpec {
  std::vector<std::string> reads = {};  // contents of a micro-batch
  std::vector<ParameterUse> parameters;
  std::function<LayerCost(const CostShape&)> cost;
  std::function<std::unique_ptr<Body>(const LayerSetup&)> make;
};

}  // namespace stagecraft
