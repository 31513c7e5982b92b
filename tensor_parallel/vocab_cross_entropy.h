// Cross-entropy over a vocabulary cut over the tensor axis; logits are never gathered. Two small
// all-reduces: the maximum, then sum and target together.
#pragma once

#include "kernels/ops/cross_entropy.h"
#include "tensor_parallel/communicator.h"

namespace stagecraft {

/// What the backward pass needs beside the logits.
struct SoftmaxStatistics {
  Tensor maximum;         // [rows]
  Tensor sum_and_target;  // [2, rows]
};

/// loss [1] float64: the sum of -log p(target) over counted rows, equal on every rank.
SoftmaxStatistics vocab_cross_entropy_forward(Stream& stream, Communicator& tensor,
                                              const Tensor& logits, const Tensor& targets,
                                              const VocabularyShard& shard, const Tensor& loss,
                                              MemoryLabel label);

}  // namespace stagecraft
