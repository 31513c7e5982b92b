// This rank's part of a linear layer's weight [in, out] and bias [out], in the compute dtype, and
// of their gradients.
#pragma once

#include <string>

#include "models/layers/layer.h"
#include "tensor_parallel/layers/linear.h"

namespace stagecraft {

struct LinearWeights {
  Tensor weight, bias, dweight, dbias;

  /// Parameters PREFIX.weight and PREFIX.bias.
  LinearWeights(const LayerSetup& setup, const std::string& prefix)
      : weight(setup.parameters.at(prefix + ".weight").compute_weights),
        bias(setup.parameters.at(prefix + ".bias").compute_weights),
        dweight(setup.parameters.gradient(prefix + ".weight", "")),
        dbias(setup.parameters.gradient(prefix + ".bias", "")) {}

  /// Adds dweight and dbias of y = x weight + bias to `weights`.
  void backward(LayerContext& context, const Tensor& x, const Tensor& dy,
                WeightStash& weights) const {
    weights.add(
        context, {x, dy},
        [x, dy, dw = dweight, db = dbias, accumulate = !context.batch.first](LayerContext& later) {
          linear_backward_weight(later.stream, x, dy, dw, db, accumulate);
        });
  }
};

}  // namespace stagecraft
