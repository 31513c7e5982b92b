// Sums and maxima of plain bytes along the reduction tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft::mpi {

/// out receives the sum (float32, float64, bfloat16) or maximum (float32) of the parts, joined as
/// reduction_tree.h says. `out` lies in no part; all are aligned to their elements. `copy`, if any,
/// gets the same while it is in the cache, and may be a part.
void join_parts(ReduceOp op, DType dtype, std::span<const std::byte* const> parts,
                std::int64_t elements, std::byte* out, std::byte* copy = nullptr);

}  // namespace stagecraft::mpi
