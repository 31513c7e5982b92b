// Where the numbers of a head lie in memory, and which of the two kinds of attention a call is.
#pragma once

#include <cmath>

#include "kernels/cuda/primitives/mask.cuh"
#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/ops/attention.h"

namespace stagecraft::cuda {

/// Rows of one head: the first of those that there are, and the numbers between rows.
template <typename Element>
struct Rows {
  Element* first;
  std::int64_t stride;
  int count;
  int size;  // numbers of a row
  bool vectorized;
};

/// Sizes, and where a head's rows begin.
struct HeadLayout {
  HeadLayout(const AttentionShape& shape, bool wide_rows)
      : sequence(static_cast<int>(shape.sequence)),
        heads(static_cast<int>(shape.heads)),
        size(static_cast<int>(shape.head_size)),
        row(shape.heads * shape.head_size),
        first_head(shape.first_head),
        factor(1.0F / std::sqrt(static_cast<float>(shape.head_size))),
        vectorized(wide_rows),
        mask(shape.dropout) {}

  int sequence;
  int heads;
  int size;
  std::int64_t row;  // numbers between tokens of out; qkv has three times as many
  std::int64_t first_head;
  float factor;
  bool vectorized;
  Mask mask;

  /// `head` counts through samples and their heads.
  __device__ std::int64_t sample(int head) const { return head / heads; }
  /// `count` tokens from `first` on; part 0, 1, 2 of qkv: q, k, v.
  template <typename Element>
  __device__ Rows<Element> qkv_rows(Element* qkv, int part, int head, int first, int count) const {
    const std::int64_t stride = 3 * row;
    const std::int64_t begin = sample(head) * sequence * 3 * row + part * row + head % heads * size;
    return {qkv + begin + first * stride, stride, count, size, vectorized};
  }
  template <typename Element>
  __device__ Rows<Element> out_rows(Element* out, int head, int first, int count) const {
    const std::int64_t begin = sample(head) * sequence * row + head % heads * size;
    return {out + begin + first * row, row, count, size, vectorized};
  }
  /// A probability's number in its sample's sequence of dropout.
  __device__ std::uint64_t element(int head, int query, int key) const {
    const std::int64_t global_head = first_head + head % heads;
    return static_cast<std::uint64_t>((global_head * sequence + query) * sequence + key);
  }
};

inline constexpr std::int64_t kMaxHeadSize = 256;

/// Which of the two kinds of attention a call is: the same answer for both directions.
inline bool computes_by_cudnn(Stream& stream, const AttentionShape& shape, DType dtype) {
  return dtype == DType::bfloat16 && on_cuda(stream).cudnn_attention().takes(shape);
}

inline void check_head_size(std::string_view where, std::int64_t size) {
  require(size <= kMaxHeadSize, where, "heads of {} numbers: at most {} are attended on CUDA", size,
          kMaxHeadSize);
}

}  // namespace stagecraft::cuda
