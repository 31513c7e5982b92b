// Attention on the CPU: queries in the lanes of vectors, keys one after the other.
#pragma once

#include "kernels/ops/attention.h"

namespace stagecraft::cpu {

/// Pieces are ranges of queries of one head of one sample; a head is one range where there are
/// heads enough.
void attention_forward(Stream& stream, const AttentionForward& args);

/// Pieces are ranges of keys, cut in the same way; where a head is several, its dQ is summed over
/// them in ascending order.
void attention_backward(Stream& stream, const AttentionBackward& args);

}  // namespace stagecraft::cpu
