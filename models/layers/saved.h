// How layers allocate and save tensors.
#pragma once

#include <initializer_list>
#include <utility>

#include "kernels/ops/elementwise.h"
#include "models/layers/layer.h"

namespace stagecraft {

/// A tensor for the duration of an instruction, unless it is saved.
inline Tensor temporary(LayerContext& context, Shape shape, DType dtype) {
  return {context.stream.memory(), std::move(shape), dtype, MemoryLabel::workspace};
}

/// Pushes tensors on the stash, from now on counted as saved activations. An evaluation saves
/// nothing.
inline void save(LayerContext& context, Stash& stash, std::initializer_list<Tensor> tensors) {
  if (!context.batch.training) {
    return;
  }
  for (const Tensor& tensor : tensors) {
    tensor.buffer()->relabel(MemoryLabel::saved_activations);
    stash.push_back(tensor);
  }
}

/// Takes the tensor that was saved last.
inline Tensor pop(Stash& stash) {
  require(!stash.empty(), "Stash", "backward without its forward: nothing is saved");
  Tensor tensor = std::move(stash.back());
  stash.pop_back();
  return tensor;
}

/// The dropout of a site: off in evaluations.
inline Dropout dropout_at(const LayerContext& context, double probability, std::uint64_t key) {
  const MicroBatch& batch = context.batch;
  return {.probability = batch.training ? static_cast<float>(probability) : 0.0F,
          .key = key,
          .step = batch.step,
          .first_sample = batch.first_sample,
          .rows_per_sample = batch.sequence};
}

/// The gradient of a residual branch behind its dropout: dy itself where nothing is dropped.
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
