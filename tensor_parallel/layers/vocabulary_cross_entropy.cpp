#include "tensor_parallel/layers/vocabulary_cross_entropy.h"

namespace stagecraft {
namespace {

struct Statistics {
  Tensor maximum;         // [rows]
  Tensor sum_and_target;  // [2, rows]
};

Statistics compute_loss(Stream& stream, Communicator& tensor, const Tensor& logits,
                        const Tensor& targets, const VocabularyShard& shard, const Tensor& loss) {
  const std::int64_t rows = logits.size(0);
  const Tensor maximum(stream.memory(), {rows}, DType::float32, MemoryLabel::workspace);
  const Tensor sum_and_target(stream.memory(), {2, rows}, DType::float32, MemoryLabel::workspace);
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

}  // namespace

void vocab_cross_entropy(Stream& stream, Communicator& tensor, const Tensor& logits,
                         const Tensor& targets, const VocabularyShard& shard, const Tensor& loss) {
  compute_loss(stream, tensor, logits, targets, shard, loss);
}

void vocab_cross_entropy_gradient(Stream& stream, Communicator& tensor, const Tensor& logits,
                                  const Tensor& targets, const VocabularyShard& shard,
                                  const Tensor& loss, float scale) {
  if (tensor.size() == 1) {
    softmax_cross_entropy(stream, {.logits = logits,
                                   .targets = targets,
                                   .vocabulary = shard.vocabulary,
                                   .scale = scale,
                                   .loss = loss});
    return;
  }
  const Statistics statistics = compute_loss(stream, tensor, logits, targets, shard, loss);
  softmax_gradient(stream, {.logits = logits,
                            .maximum = statistics.maximum,
                            .sum_and_target = statistics.sum_and_target,
                            .targets = targets,
                            .shard = shard,
                            .scale = scale});
}

}  // namespace stagecraft
