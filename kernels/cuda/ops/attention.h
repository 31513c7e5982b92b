// Attention on CUDA in float32: tiles of 128 queries by 64 keys (smaller for large heads) in shared
// memory, products in float32 on the ordinary units.
#pragma once

#include "kernels/ops/attention.h"

namespace stagecraft::cuda {

/// Heads of at most 256 numbers; more throw Error. A block is one tile of queries of one head.
void attention_forward(Stream& stream, const AttentionForward& args);

/// Two passes, so that every sum has one owner: a block is a tile of keys and sums dK and dV over
/// the queries, then a block is a tile of queries and sums dQ over the keys. Scores are computed
/// twice.
void attention_backward(Stream& stream, const AttentionBackward& args);

}  // namespace stagecraft::cuda
