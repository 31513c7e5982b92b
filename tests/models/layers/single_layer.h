// A layer between activations, alone on one rank, with drawn weights.
#pragma once

#include <algorithm>
#include <memory>

#include "kernels/base/random.h"
#include "models/layers/layer.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft::test {

/// `values` as the float32 tensor of this shape.
template <typename T>
Tensor floats_of(Stream& stream, const Shape& shape, const std::vector<T>& values) {
  Tensor tensor(stream.memory(), shape, DType::float32, MemoryLabel::workspace);
  std::transform(values.begin(), values.end(), tensor.data<float>(),
                 [](T value) { return static_cast<float>(value); });
  return tensor;
}

class SingleLayer {
 public:
  SingleLayer(Stream& stream, const LayerSpec& spec)
      : stream_(stream),
        parameters_(stream, {spec.parameters}, 0, 1),
        tensor_(make_solo_communicator()),
        layer_(spec.make({.stream = stream, .parameters = parameters_, .seed = 7})) {
    for (const Parameter& parameter : parameters_.parameters()) {
      fill_normal({.key = random_key(3, parameter.spec.name)}, 0,
                  static_cast<std::size_t>(parameter.weight.elements()), 0.4F,
                  parameter.weight.data<float>());
    }
  }

  const ParameterStore& parameters() const { return parameters_; }
  /// Where the next backward's weight gradients go, or the next W's.
  LayerContext context(const MicroBatch& batch, const GradientSet& gradients, bool accumulate) {
    return {stream_, *tensor_, batch, gradients, accumulate};
  }
  Tensor forward(LayerContext context, const Tensor& x, Stash& stash) {
    return layer_->forward(context, x, stash);
  }
  Tensor backward(LayerContext context, const Tensor& dy, Stash& stash, WeightStash& weights) {
    return layer_->backward_input(context, dy, stash, weights);
  }

 private:
  Stream& stream_;
  ParameterStore parameters_;
  std::unique_ptr<Communicator> tensor_;
  std::unique_ptr<Layer> layer_;
};

}  // namespace stagecraft::test
