// Calls of attention on rows of q | k | v joined in one tensor.
#pragma once

#include <algorithm>

#include "tests/conformance/ops/attention_reference.h"

namespace stagecraft::testing {

inline Shape out_shape(const AttentionShape& s) {
  return {s.samples * s.sequence, s.heads * s.head_size};
}
inline Shape qkv_shape(const AttentionShape& s) {
  return {s.samples * s.sequence, joined_width(s)};
}
inline Shape lse_shape(const AttentionShape& s) { return {s.samples, s.heads, s.sequence}; }

inline Values random_qkv(const AttentionShape& shape) {
  return random_values(elements_of(qkv_shape(shape)), 1);
}
inline Values random_dout(const AttentionShape& shape) {
  return random_values(elements_of(out_shape(shape)), 2);
}

/// The column ranges of a joined tensor.
struct JoinedHeads {
  JoinedHeads(const AttentionShape& shape, const Tensor& joined) {
    const std::int64_t keys = shape.heads * shape.head_size;
    const std::int64_t values = keys + shape.key_heads() * shape.head_size;
    q = joined.columns(0, keys);
    k = joined.columns(keys, values);
    v = joined.columns(values, joined_width(shape));
  }
  Tensor q, k, v;
};

/// Rows of documents of these lengths, one after the other in each sample; the last fills the rest.
inline KeyRanges documents(const AttentionShape& shape, const std::vector<std::int64_t>& lengths) {
  KeyRanges ranges;
  Values ends;
  for (std::int64_t sample = 0; sample < shape.samples; ++sample) {
    std::int64_t begin = 0;
    for (std::size_t i = static_cast<std::size_t>(sample); begin < shape.sequence; ++i) {
      const std::int64_t end = std::min(shape.sequence, begin + lengths[i % lengths.size()]);
      ranges.keys.insert(ranges.keys.end(), static_cast<std::size_t>(end - begin),
                         static_cast<double>(begin));
      ends.insert(ends.end(), static_cast<std::size_t>(end - begin), static_cast<double>(end));
      begin = end;
    }
  }
  ranges.keys.insert(ranges.keys.end(), ends.begin(), ends.end());
  return ranges;
}

/// -infinity, which has no distance from itself, becomes a number that no other row has.
inline Values finite(Values lse) {
  std::replace(lse.begin(), lse.end(), -std::numeric_limits<double>::infinity(), -9.0);
  return lse;
}

inline Tensor integers(Stream& stream, const Shape& shape, const Values& values) {
  return values.empty() ? Tensor() : tensor_of(stream, shape, values, DType::int32);
}

inline AttentionForward forward_args(Stream& stream, const AttentionShape& shape, const Values& qkv,
                                     const KeyRanges& ranges = {}, DType dtype = DType::float32) {
  const JoinedHeads heads(shape, tensor_of(stream, qkv_shape(shape), qkv, dtype));
  return {.shape = shape,
          .q = heads.q,
          .k = heads.k,
          .v = heads.v,
          .keys = integers(stream, {2, shape.samples * shape.sequence}, ranges.keys),
          .lengths = integers(stream, {shape.samples}, ranges.lengths),
          .out = poisoned(stream, out_shape(shape), dtype),
          .lse = poisoned(stream, lse_shape(shape))};
}

struct BackwardCall {
  AttentionBackward args;
  Tensor dqkv;
};

/// After `saved`.
inline BackwardCall backward_call(Stream& stream, const AttentionForward& saved,
                                  const Values& dout) {
  const DType dtype = saved.q.dtype();
  Tensor dqkv = poisoned(stream, qkv_shape(saved.shape), dtype);
  const JoinedHeads gradients(saved.shape, dqkv);
  return {{.shape = saved.shape,
           .dout = tensor_of(stream, out_shape(saved.shape), dout, dtype),
           .q = saved.q,
           .k = saved.k,
           .v = saved.v,
           .keys = saved.keys,
           .lengths = saved.lengths,
           .out = saved.out,
           .lse = saved.lse,
           .dq = gradients.q,
           .dk = gradients.k,
           .dv = gradients.v},
          std::move(dqkv)};
}

/// The arguments of a backward, after its forward.
inline BackwardCall backward_call(Stream& stream, const AttentionShape& shape, const Values& qkv,
                                  const Values& dout, const KeyRanges& ranges = {},
                                  DType dtype = DType::float32) {
  const AttentionForward saved = forward_args(stream, shape, qkv, ranges, dtype);
  attention_forward(stream, saved);
  return backward_call(stream, saved, dout);
}

inline std::vector<Values> forward(Stream& stream, const AttentionShape& shape, const Values& qkv,
                                   const KeyRanges& ranges = {}) {
  const AttentionForward args = forward_args(stream, shape, qkv, ranges);
  attention_forward(stream, args);
  return {values_of(stream, args.out), values_of(stream, args.lse)};
}

inline std::vector<Values> backward(Stream& stream, const AttentionShape& shape, const Values& qkv,
                                    const Values& dout, const KeyRanges& ranges = {}) {
  const BackwardCall call = backward_call(stream, shape, qkv, dout, ranges);
  attention_backward(stream, call.args);
  return {values_of(stream, call.dqkv)};
}

}  // namespace stagecraft::testing
