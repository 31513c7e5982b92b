// The accumulators of a stage's gradients. A stage may have several sets; layers are told which one
// a micro-batch adds to.
#pragma once

#include <span>
#include <vector>

#include "kernels/core/tensor.h"

namespace stagecraft {

/// The number of a layer's use of a parameter in every set of one ParameterStore.
struct UseIndex {
  std::size_t value = 0;
};

/// One gradient for each use of a parameter on a stage, in float32 and the parameter's local shape.
class GradientSet {
 public:
  GradientSet() = default;
  /// `arena` holds the gradients of first uses at their parameters' places.
  GradientSet(Tensor arena, std::vector<Tensor> by_use)
      : arena_(std::move(arena)), by_use_(std::move(by_use)) {}

  const Tensor& arena() const { return arena_; }
  const Tensor& at(UseIndex use) const { return by_use_.at(use.value); }
  /// Those of `count` uses that follow each other.
  std::span<const Tensor> at(UseIndex first, std::size_t count) const {
    return std::span(by_use_).subspan(first.value, count);
  }

 private:
  Tensor arena_;
  std::vector<Tensor> by_use_;
};

}  // namespace stagecraft
