#include "tensor_parallel/gradients/gradient_buckets.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

void reduce_gradients(Stream& stream, Communicator& data, const Tensor& gradients,
                      std::int64_t bucket_bytes) {
  const std::int64_t bucket = bucket_bytes / size_of(gradients.dtype());
  require(gradients.rank() == 1, "reduce_gradients", "an arena has one dimension, not {}",
          gradients.shape());
  require(bucket >= 1, "reduce_gradients", "a bucket of {} bytes is too small for one {}",
          bucket_bytes, gradients.dtype());
  for (std::int64_t begin = 0; begin < gradients.size(0); begin += bucket) {
    const std::int64_t end = std::min(begin + bucket, gradients.size(0));
    data.all_reduce(stream, gradients.rows(begin, end), ReduceOp::sum, Order::tree);
  }
}

}  // namespace stagecraft
