// Data-parallel gradient reduction.
#pragma once

#include <cstdint>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// 16 MiB: large enough for full bandwidth, small enough to overlap.
inline constexpr std::int64_t kBucketBytes = std::int64_t{16} << 20;

/// gradients [n] becomes the sum over the group along the reduction tree, bucket by bucket from the
/// front of the arena. The arena is in backward order.
void reduce_gradients(Stream& stream, Communicator& data, const Tensor& gradients,
                      std::int64_t bucket_bytes = kBucketBytes);

}  // namespace stagecraft
