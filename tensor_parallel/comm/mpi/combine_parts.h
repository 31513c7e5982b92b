// Sums and maxima of raw bytes along the reduction tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft::mpi {

/// out receives the sum (float32, float64, bfloat16) or maximum (float32) of the parts, in the
/// order of reduction_tree.h. `out` overlaps no part; all are aligned to their elements. `copy`, if
/// not nullptr, receives the same bytes while they are in the cache; it may be one of the parts.
void combine_parts(ReduceOp op, DType dtype, std::span<const std::byte* const> parts,
                   std::int64_t elements, std::byte* out, std::byte* copy = nullptr);

}  // namespace stagecraft::mpi
