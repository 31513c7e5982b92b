// Data-parallel gradient reduction.
#pragma once

#include <cstdint>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// 16 MiB: large enough for the rate, small enough to overlap.
inline constexpr std::int64_t kBucketBytes = std::int64_t{16} << 20;

/// gradients [n] becomes the sum over the group, bucket by bucket from the front of the arena
/// (which lies in backward order), along the tree.
void reduce_gradients(Stream& stream, Communicator& data, const Tensor& gradients,
                      std::int64_t bucket_bytes = kBucketBytes);

}  // namespace stagecraft
