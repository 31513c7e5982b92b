// Cross-entropy over a vocabulary cut over the tensor axis; logits are never gathered. Two small
// all-reduces: the maximum, then sum and target together. On one rank there is nothing to reduce.
#pragma once

#include "kernels/ops/cross_entropy.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// loss [1] float64: the sum of -log p(target) over counted rows, equal on every rank.
void vocab_cross_entropy(Stream& stream, Communicator& tensor, const Tensor& logits,
                         const Tensor& targets, const VocabularyShard& shard, const Tensor& loss);

/// The same, and logits become the gradient of scale * loss. How many ranks there are decides how
/// often memory is read; it changes no bit of a row beyond the all-reduces' own.
void vocab_cross_entropy_gradient(Stream& stream, Communicator& tensor, const Tensor& logits,
                                  const Tensor& targets, const VocabularyShard& shard,
                                  const Tensor& loss, float scale);

}  // namespace stagecraft
