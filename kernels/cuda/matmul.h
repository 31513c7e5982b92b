// Matrix products through cublasLt.
#pragma once

#include "kernels/ops/matmul.h"

namespace stagecraft::cuda {

/// One algorithm for a shape, with a bias or without, added to c or not: the bits of a product do
/// not depend on what is joined to it. K is divided only where a is transposed (matmul_plan.cpp).
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cuda
