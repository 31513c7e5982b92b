// Matrix products through cublasLt.
#pragma once

#include "kernels/ops/matmul.h"

namespace stagecraft::cuda {

/// One product with the same algorithm, with a bias or without, added to c or not: the bits of a
/// product do not depend on what is joined to it. No algorithm divides K.
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cuda
