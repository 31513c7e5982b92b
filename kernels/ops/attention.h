// Causal multi-head attention with O(T) memory: blocked, with an online softmax (Dao et al., arXiv
// 2205.14135; Rabe & Staats, arXiv 2112.05682). No T x T matrix of a head is ever in memory.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft {

// qkv, out and their gradients hold the same, float32 or bfloat16; lse is float32, as are
// scores and probabilities.

/// Sizes and mask shared by both directions. Dropout acts on the probabilities: probability (q, k)
/// of local head n in sample s is number ((first_head + n) * T + q) * T + k of the sequence
/// (key, step, first_sample + s); rows_per_sample is not used. In bfloat16 a device may draw a mask
/// of its own instead (kernels/cuda/runtime/cudnn_attention.h).
struct AttentionShape {
  std::int64_t samples = 0;
  std::int64_t sequence = 0;    // T
  std::int64_t heads = 0;       // local heads
  std::int64_t head_size = 0;   // D
  std::int64_t first_head = 0;  // global number of local head 0
  Dropout dropout;
};

/// Per sample and head: P = softmax(causal(Q K^T / sqrt(D))), O = dropout(P) V.
/// A row of qkv is q | k | v, each [heads, D].   = (writes out and lse)
struct AttentionForward {
  AttentionShape shape;
  Tensor qkv;  // [samples * T, 3 * heads * D]
  Tensor out;  // [samples * T, heads * D]
  Tensor lse;  // [samples, heads, T]: log of the sum of exp of the scaled scores of each row
};
template <>
inline constexpr auto kTensors<AttentionForward> = std::tuple(reads(&AttentionForward::qkv),
                                                              writes(&AttentionForward::out),
                                                              writes(&AttentionForward::lse));
/// Causal: half of the 2 T^2 D multiply-adds of a head.
double flops_of(const AttentionForward& args);
void attention_forward(Stream& stream, const AttentionForward& args);

/// The gradient of attention_forward; P is computed again, block by block.   = (writes dqkv)
struct AttentionBackward {
  AttentionShape shape;
  Tensor dout;  // [samples * T, heads * D]
  Tensor qkv;   // [samples * T, 3 * heads * D]
  Tensor out;   // [samples * T, heads * D]
  Tensor lse;   // [samples, heads, T]
  Tensor dqkv;  // [samples * T, 3 * heads * D]
};
template <>
inline constexpr auto kTensors<AttentionBackward> = std::tuple(reads(&AttentionBackward::dout),
                                                               reads(&AttentionBackward::qkv),
                                                               reads(&AttentionBackward::out),
                                                               reads(&AttentionBackward::lse),
                                                               writes(&AttentionBackward::dqkv));
/// Four products where the forward has two; what is computed again is not counted.
double flops_of(const AttentionBackward& args);
void attention_backward(Stream& stream, const AttentionBackward& args);

}  // namespace stagecraft
