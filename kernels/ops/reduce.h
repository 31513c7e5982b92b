// Sums over whole tensors.
#pragma once

#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// out[i] = sum of the squares of x[i]'s elements in float64, in fixed blocks whose sums are added
/// in order. No bit of one depends on the others.
struct SumsOfSquares {
  std::vector<Tensor> x;  // n of any shape, float32
  Tensor out;             // [n] float64
};
template <>
inline constexpr auto kTensors<SumsOfSquares> = std::tuple(reads(&SumsOfSquares::x),
                                                           writes(&SumsOfSquares::out));
void sums_of_squares(Stream& stream, const SumsOfSquares& args);

}  // namespace stagecraft
