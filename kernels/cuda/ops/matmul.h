// Matrix products through cublasLt.
#pragma once

#include "kernels/ops/matmul.h"

namespace stagecraft::cuda {

/// In float32 one algorithm serves a shape with a bias and without: the bits of a product do not
/// depend on whether a bias is joined to it. GELU and its slope are joined to products of bfloat16
/// factors only; of these, large ones are computed by the fastest of the ways that give the same
/// bits (matmul_algorithm.h). K is divided only where a is transposed (matmul_plan.cpp).
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cuda
