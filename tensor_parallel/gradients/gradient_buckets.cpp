#include "tensor_parallel/gradients/gradient_buckets.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

Event start_reducing(Stream& stream, Communicator& group, const Tensor& gradients,
                     std::int64_t bucket_bytes) {
  const std::int64_t bucket = bucket_bytes / size_of(gradients.dtype());
  require(gradients.rank() == 1, "start_reducing", "an arena has one dimension, not {}",
          gradients.shape());
  require(bucket >= 1, "start_reducing", "a bucket of {} bytes is too small for one {}",
          bucket_bytes, gradients.dtype());
  return start_beside(group, stream, [&](Stream& beside) {
    for (std::int64_t begin = 0; begin < gradients.size(0); begin += bucket) {
      const Tensor part = gradients.rows(begin, std::min(begin + bucket, gradients.size(0)));
      group.all_reduce(beside, part, ReduceOp::sum, Order::tree);
    }
  });
}

}  // namespace stagecraft
