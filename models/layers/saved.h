// Helpers of layers that allocate, save and restore tensors.
#pragma once

#include <initializer_list>
#include <utility>

#include "kernels/ops/elementwise.h"
#include "models/layers/layer.h"

namespace stagecraft {

/// A tensor that lives within one instruction, unless it is saved.
inline Tensor temporary(LayerContext& context, Shape shape, DType dtype) {
  return {context.stream.memory(), std::move(shape), dtype, MemoryLabel::workspace};
}

/// Pushes tensors on the stash and relabels them as saved activations. Saves nothing in a pass
/// without backward.
inline void save(LayerContext& context, Stash& stash, std::initializer_list<Tensor> tensors) {
  if (!context.batch.saves) {
    return;
  }
  for (const Tensor& tensor : tensors) {
    tensor.buffer()->relabel(MemoryLabel::saved_activations);
    stash.push_back(tensor);
  }
}

/// Removes and returns the tensor that was saved last.
inline Tensor pop(Stash& stash) {
  require(!stash.empty(), "Stash", "backward without a forward: the stash is empty");
  Tensor tensor = std::move(stash.back());
  stash.pop_back();
  return tensor;
}

/// The dropout with this key; off where the pass drops nothing.
inline Dropout dropout_at(const LayerContext& context, double probability, std::uint64_t key) {
  const MicroBatch& batch = context.batch;
  return {.probability = batch.dropout ? static_cast<float>(probability) : 0.0F,
          .key = key,
          .step = batch.step,
          .first_sample = batch.first_sample,
          .rows_per_sample = batch.sequence};
}

/// The gradient at the input of a residual branch's dropout; dy itself if probability is 0.
inline Tensor dropout_gradient(LayerContext& context, const Tensor& dy, double probability,
                               std::uint64_t key) {
  if (probability == 0) {
    return dy;
  }
  Tensor branch = temporary(context, dy.shape(), dy.dtype());
  dropout_backward(context.stream,
                   {.dy = dy, .dropout = dropout_at(context, probability, key), .dx = branch});
  return branch;
}

}  // namespace stagecraft
