// The calls of attention that benchmarks measure: queries, keys and values lie in one tensor.
#pragma once

#include "kernels/ops/attention.h"

namespace stagecraft::bench {

struct AttentionTensors {
  Tensor qkv;   // [rows, 3 * heads * D]
  Tensor out;   // [rows, heads * D]
  Tensor dout;  // as out
  Tensor lse;   // [samples, heads, T]
  Tensor dqkv;  // as qkv
};

/// Part 0, 1 or 2 of q | k | v.
inline Tensor third_of(const Tensor& joined, int part) {
  const std::int64_t width = joined.size(1) / 3;
  return joined.columns(part * width, (part + 1) * width);
}

inline AttentionForward forward_call(const AttentionShape& shape, const AttentionTensors& on) {
  return {.shape = shape,
          .q = third_of(on.qkv, 0),
          .k = third_of(on.qkv, 1),
          .v = third_of(on.qkv, 2),
          .out = on.out,
          .lse = on.lse};
}

inline AttentionBackward backward_call(const AttentionShape& shape, const AttentionTensors& on) {
  return {.shape = shape,
          .dout = on.dout,
          .q = third_of(on.qkv, 0),
          .k = third_of(on.qkv, 1),
          .v = third_of(on.qkv, 2),
          .out = on.out,
          .lse = on.lse,
          .dq = third_of(on.dqkv, 0),
          .dk = third_of(on.dqkv, 1),
          .dv = third_of(on.dqkv, 2)};
}

}  // namespace stagecraft::bench
