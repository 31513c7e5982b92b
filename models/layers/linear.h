// A linear layer's weight [in, out] and bias [out], this rank's part as it is computed with, and
// their gradients.
#pragma once

#include <string>

#include "models/layers/layer.h"
#include "tensor_parallel/layers/linear.h"

namespace stagecraft {

struct LinearWeights {
  Tensor weight, bias, dweight, dbias;

  /// Parameters PREFIX.weight and PREFIX.bias.
  LinearWeights(const LayerPlace& place, const std::string& prefix)
      : weight(place.parameters.at(prefix + ".weight").computed),
        bias(place.parameters.at(prefix + ".bias").computed),
        dweight(place.parameters.gradient(prefix + ".weight", "")),
        dbias(place.parameters.gradient(prefix + ".bias", "")) {}

  /// Adds dweight and dbias of y = x weight + bias to the work to be done.
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
