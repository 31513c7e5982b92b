#include "tensor_parallel/vocab_cross_entropy.h"

namespace stagecraft {

SoftmaxStatistics vocab_cross_entropy_forward(Stream& stream, Communicator& tensor,
                                              const Tensor& logits, const Tensor& targets,
                                              const VocabularyShard& shard, const Tensor& loss,
                                              MemoryLabel label) {
  const std::int64_t rows = logits.size(0);
  const Tensor maximum(stream.memory(), {rows}, DType::float32, label);
  const Tensor sum_and_target(stream.memory(), {2, rows}, DType::float32, label);
  softmax_maximum(stream, {.logits = logits, .shard = shard, .maximum = maximum});
  tensor.all_reduce(stream, maximum, ReduceOp::maximum, Order::tree);
  softmax_sum(stream, {.logits = logits,
                       .maximum = maximum,
                       .targets = targets,
                       .shard = shard,
                       .sum_and_target = sum_and_target});
  tensor.all_reduce(stream, sum_and_target, ReduceOp::sum, Order::tree);
  cross_entropy_loss(stream, {.sum_and_target = sum_and_target, .targets = targets, .loss = loss});
  return {.maximum = maximum, .sum_and_target = sum_and_target};
}

}  // namespace stagecraft
