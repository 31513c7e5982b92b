// Where the numbers of a head lie in memory, and which keys a query has.
#pragma once

#include <cmath>

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/mask.cuh"
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

template <typename Element>
MatrixView<const Element> read_only(const MatrixView<Element>& rows) {
  return {rows.data, rows.row_stride};
}

/// `count` keys from `first` on; none: both 0.
struct KeyRange {
  int first;
  int count;
  __device__ bool has(int key) const {
    return static_cast<unsigned>(key - first) < static_cast<unsigned>(count);
  }
};

/// Sizes, where a head's rows begin, and the keys of queries.
struct HeadLayout {
  template <typename Args>
  HeadLayout(const Args& args, bool wide_rows)
      : sequence(static_cast<int>(args.shape.sequence)),
        heads(static_cast<int>(args.shape.heads)),
        heads_per_key_head(static_cast<int>(args.shape.heads / args.shape.key_heads())),
        size(static_cast<int>(args.shape.head_size)),
        first_head(args.shape.first_head),
        positions(args.shape.mask_positions()),
        factor(1.0F / std::sqrt(static_cast<float>(args.shape.head_size))),
        vectorized(wide_rows),
        causal(args.shape.causal),
        first_keys(data_or_null<std::int32_t>(args.keys)),
        end_keys(first_keys == nullptr ? nullptr
                                       : first_keys + args.shape.samples * args.shape.sequence),
        lengths(data_or_null<std::int32_t>(args.lengths)),
        mask(args.shape.dropout) {}

  int sequence;
  int heads;               // of queries
  int heads_per_key_head;  // heads of queries that share a head of keys and values
  int size;
  std::int64_t first_head;
  std::int64_t positions;
  float factor;
  bool vectorized;
  bool causal;
  const std::int32_t* first_keys;  // of all rows, or null
  const std::int32_t* end_keys;
  const std::int32_t* lengths;  // of the samples, or null
  Mask mask;

  /// `head` counts through samples and their heads of queries.
  __device__ std::int64_t sample(int head) const { return head / heads; }
  /// `count` tokens from `first` on of q, out or their gradients.
  template <typename Element>
  __device__ Rows<Element> query_rows(const MatrixView<Element>& rows, int head, int first,
                                      int count) const {
    return rows_of(rows, sample(head), head % heads, first, count);
  }
  /// The same of k, v or their gradients, of the head of keys that `head` reads.
  template <typename Element>
  __device__ Rows<Element> key_rows(const MatrixView<Element>& rows, int head, int first,
                                    int count) const {
    return rows_of(rows, sample(head), head % heads / heads_per_key_head, first, count);
  }
  /// A probability's number in its sample's sequence of dropout.
  __device__ std::uint64_t element(int head, int query, int key) const {
    const std::int64_t global_head = first_head + head % heads;
    return static_cast<std::uint64_t>((global_head * positions + query) * positions + key);
  }
  /// What lies outside of the sequence is cut off; a query behind it has no keys.
  __device__ KeyRange keys_of(int head, int query) const {
    if (query >= sequence) {
      return {0, 0};
    }
    int first = 0;
    int end = causal ? query + 1 : sequence;
    if (first_keys != nullptr) {
      const std::int64_t row = sample(head) * sequence + query;
      first = max(0, first_keys[row]);
      end = min(end, end_keys[row]);
    }
    if (lengths != nullptr) {
      const int length = lengths[sample(head)];
      end = query < length ? min(end, length) : 0;
    }
    return first < end ? KeyRange{first, end - first} : KeyRange{0, 0};
  }

 private:
  template <typename Element>
  __device__ Rows<Element> rows_of(const MatrixView<Element>& rows, std::int64_t of_sample,
                                   int head, int first, int count) const {
    const std::int64_t row = of_sample * sequence + first;
    return {rows.data + row * rows.row_stride + std::int64_t{head} * size, rows.row_stride, count,
            size, vectorized};
  }
};

/// Whether the rows of all heads of these matrices may be moved in groups.
inline bool has_vectorizable_heads(std::int64_t head_size,
                                   std::initializer_list<const Tensor*> matrices) {
  bool vectorized = head_size % kGroup == 0;
  for (const Tensor* matrix : matrices) {
    vectorized = vectorized && is_vectorizable({matrix->first_element()}, matrix->row_stride());
  }
  return vectorized;
}

}  // namespace stagecraft::cuda
