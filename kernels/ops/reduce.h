// Sums over whole tensors.
#pragma once

#include "kernels/stream.h"
#include "kernels/tensor.h"

namespace stagecraft {

/// out[0] = sum of x[i]^2 in float64, in fixed blocks whose sums are added in order.
struct SumOfSquares {
  Tensor x;    // any shape, float32
  Tensor out;  // [1] float64
};
void sum_of_squares(Stream& stream, const SumOfSquares& args);

}  // namespace stagecraft
