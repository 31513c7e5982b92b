// Cross-entropy over a vocabulary that is sharded over the tensor axis. Logits are never gathered.
// Two small all-reduces: the maximum, then sum and target together. One rank reduces nothing.
#pragma once

#include "kernels/ops/cross_entropy.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// loss [1] float64: the sum of -log p(target) over counted rows, equal on every rank.
void vocab_cross_entropy(Stream& stream, Communicator& tensor, const Tensor& logits,
                         const Tensor& targets, const VocabularyShard& shard, const Tensor& loss);

/// The same, and logits become the gradient of scale * loss. The number of ranks decides how often
/// memory is read; it changes the bits of a row only through the all-reduces.
void vocab_cross_entropy_gradient(Stream& stream, Communicator& tensor, const Tensor& logits,
                                  const Tensor& targets, const VocabularyShard& shard,
                                  const Tensor& loss, float scale);

}  // namespace stagecraft
