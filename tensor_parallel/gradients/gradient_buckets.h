// Data-parallel gradient reduction.
#pragma once

#include <cstdint>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// 16 MiB: large enough for full bandwidth, small enough to overlap.
inline constexpr std::int64_t kBucketBytes = std::int64_t{16} << 20;

/// Starts to add gradients [n] over the group along the reduction tree, bucket by bucket from the
/// front, on the group's communication stream. Returns the event behind them (start_beside).
Event start_reducing(Stream& stream, Communicator& group, const Tensor& gradients,
                     std::int64_t bucket_bytes = kBucketBytes);

}  // namespace stagecraft
