// Which of cublasLt's ways to compute a product is taken: the fastest of those that give the same
// bits.
#pragma once

#include <functional>
#include <span>

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/matmul_plan.h"

namespace stagecraft::cuda {

/// A number that tells the bits of tensors apart, which may be column ranges. The host waits.
unsigned long long fingerprint(CudaStream& stream, std::span<const Tensor> tensors);

/// Enqueues the product, computed in a way.
using RunWay = std::function<void(const MatmulAlgorithm&)>;

/// Runs all of `ways` on the product that is about to be computed and waits for them. One counts if
/// it leaves the bits of the first in all of `results`; of these the quickest is returned. So which
/// it is may differ from run to run and from process to process, and no bit does.
MatmulAlgorithm fastest_algorithm(CudaStream& stream, std::span<const MatmulAlgorithm> algorithms,
                                  const RunWay& run, std::span<const Tensor> results);

}  // namespace stagecraft::cuda
