// Matrix products through cublasLt.
#pragma once

#include "kernels/ops/matmul.h"

namespace stagecraft::cuda {

/// One algorithm for a shape, with a bias or without, added to c or not: the bits of a product do
/// not depend on whether a bias is joined to it. GELU and its slope are joined to products of
/// bfloat16 factors only. K is divided only where a is transposed (matmul_plan.cpp).
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cuda
