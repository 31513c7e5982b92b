// One call of cublasLt: a product, or a batch of them, with all that is fused with it.
#pragma once

#include <optional>

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/matmul_plan.h"
#include "kernels/ops/matmul.h"

namespace stagecraft::cuda {

/// As cublasLt is asked for it, without an epilogue.
MatmulShape shape_of(const Matmul& args);

/// New memory whose rows lie as far apart as those of `matrix`.
Tensor laid_out_as(MemoryResource& memory, const Tensor& matrix);

/// The shape whose plan computes `args` whole in one call; nothing where not all of `args` can be
/// fused. `shape` is shape_of(args), or that of a batch whose first product is `args`.
std::optional<MatmulShape> one_call(const Matmul& args, const MatmulShape& shape);

/// Computes `args`, or the batch, if one_call() has a shape and cublasLt a way; else does nothing
/// and returns false. Sizes are at least 1.
bool multiply_in_one_call(CudaStream& on, const Matmul& args, const MatmulShape& shape);

}  // namespace stagecraft::cuda
