// Multi-head attention with O(T) memory: blocked, with an online softmax (Dao et al., arXiv
// 2205.14135; Rabe & Staats, arXiv 2112.05682). No T x T matrix of a head is ever in memory.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft {

// q, k, v, out and their gradients hold the same, float32 or bfloat16, and each may be a column
// range; lse is float32, as are scores and probabilities.

/// Sizes and mask shared by both directions. Dropout acts on the probabilities: probability (q, k)
/// of local head n in sample s is number ((first_head + n) * P + q) * P + k of the sequence
/// (key, step, first_sample + s); rows_per_sample and first_row are not used. In bfloat16 a device
/// may draw a mask of its own instead (kernels/cuda/runtime/cudnn_attention.h).
struct AttentionShape {
  std::int64_t samples = 0;
  std::int64_t sequence = 0;    // T
  std::int64_t heads = 0;       // local heads of q
  std::int64_t kv_heads = 0;    // of k and v, which divide those of q; 0: as many
  std::int64_t head_size = 0;   // D
  std::int64_t first_head = 0;  // global number of local head 0
  std::int64_t positions = 0;   // P, the largest T of the run: another T changes no mask; 0: T
  bool causal = true;           // a row has no key behind itself
  Dropout dropout;

  std::int64_t key_heads() const { return kv_heads == 0 ? heads : kv_heads; }
  std::int64_t mask_positions() const { return positions == 0 ? sequence : positions; }
};

/// Per sample and head: P = softmax(mask(Q K^T / sqrt(D))), O = dropout(P) V. Head n reads head
/// n / (heads / kv_heads) of k and v.
///
/// Row t of a sample has the keys first .. end - 1 of that sample, if causal those of them that are
/// not behind t. `keys` holds first and end of every row. `lengths` is a shorter form for padding:
/// rows and keys from the sample's length on have none. With neither, 0 .. T - 1. A row without a
/// key has out = 0 and lse = -infinity, and takes and gives no gradient; its dout is finite.
struct AttentionForward {
  AttentionShape shape;
  Tensor q;             // [samples * T, heads * D]
  Tensor k;             // [samples * T, kv_heads * D]
  Tensor v;             // [samples * T, kv_heads * D]
  Tensor keys = {};     // [2, samples * T] int32 within 0 .. T, or empty
  Tensor lengths = {};  // [samples] int32 within 1 .. T, or empty; not beside `keys`
  Tensor out;           // [samples * T, heads * D]
  Tensor lse;  // [samples, heads, T]: log of the sum of exp of the scaled scores of each row
};
template <>
inline constexpr auto kTensors<AttentionForward> = std::tuple(
    reads(&AttentionForward::q), reads(&AttentionForward::k), reads(&AttentionForward::v),
    reads(&AttentionForward::keys), reads(&AttentionForward::lengths),
    writes(&AttentionForward::out), writes(&AttentionForward::lse));
/// Of all T^2 pairs of a row and a key, if causal of half of them: fewer keys are known to the
/// device alone.
double flops_of(const AttentionForward& args);
void attention_forward(Stream& stream, const AttentionForward& args);

/// The gradient of attention_forward; P is computed again, block by block.   = (writes dq, dk, dv)
struct AttentionBackward {
  AttentionShape shape;
  Tensor dout;          // [samples * T, heads * D]
  Tensor q;             // [samples * T, heads * D]
  Tensor k;             // [samples * T, kv_heads * D]
  Tensor v;             // [samples * T, kv_heads * D]
  Tensor keys = {};     // as in the forward
  Tensor lengths = {};  // as in the forward
  Tensor out;           // [samples * T, heads * D]
  Tensor lse;           // [samples, heads, T]
  Tensor dq;            // as q
  Tensor dk;            // as k
  Tensor dv;            // as v
};
template <>
inline constexpr auto kTensors<AttentionBackward> = std::tuple(
    reads(&AttentionBackward::dout), reads(&AttentionBackward::q), reads(&AttentionBackward::k),
    reads(&AttentionBackward::v), reads(&AttentionBackward::keys),
    reads(&AttentionBackward::lengths), reads(&AttentionBackward::out),
    reads(&AttentionBackward::lse), writes(&AttentionBackward::dq), writes(&AttentionBackward::dk),
    writes(&AttentionBackward::dv));
/// Four products where the forward has two; what is computed again is not counted.
double flops_of(const AttentionBackward& args);
void attention_backward(Stream& stream, const AttentionBackward& args);

}  // namespace stagecraft
