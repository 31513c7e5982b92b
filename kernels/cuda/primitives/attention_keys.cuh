// Which pairs of a query and a key a tile of attention computes with. Plain causal attention has
// a rule of its own, which costs a comparison a pair; everything else has a range of each query.
#pragma once

#include "kernels/cuda/primitives/attention_layout.cuh"

namespace stagecraft::cuda {

enum class KeyRule : std::uint8_t { causal, ranges };

/// f.operator()<rule>() with the rule of a call.
template <typename F>
void with_key_rule(const HeadLayout& layout, F&& f) {
  if (layout.causal && layout.first_keys == nullptr && layout.lengths == nullptr) {
    f.template operator()<KeyRule::causal>();
  } else {
    f.template operator()<KeyRule::ranges>();
  }
}

/// The keys of one query.
template <KeyRule>
struct QueryKeys;

template <>
struct QueryKeys<KeyRule::causal> {
  QueryKeys() = default;
  __device__ QueryKeys(const HeadLayout& /*layout*/, int /*head*/, int of) : query(of) {}
  __device__ bool has(int key) const { return key <= query; }
  int query = 0;
};

template <>
struct QueryKeys<KeyRule::ranges> {
  QueryKeys() = default;
  __device__ QueryKeys(const HeadLayout& layout, int head, int query)
      : range(layout.keys_of(head, query)) {}
  __device__ bool has(int key) const { return range.has(key); }
  KeyRange range = {0, 0};
};

/// Rows begin .. end - 1 of the walked side.
struct Walk {
  int begin;
  int end;
};

/// From the first to the last row that f(include) passes to include(first, end) in any thread; the
/// begin is that of a whole tile of `tile` rows. All threads of the block call it; `span` is memory
/// that they share.
template <typename F>
__device__ Walk joined_walk(int sequence, int tile, int (&span)[2], F&& f) {
  __syncthreads();  // the span before may still be read
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    span[0] = sequence;
    span[1] = 0;
  }
  __syncthreads();
  f([&](int first, int end) {
    atomicMin(&span[0], first);
    atomicMax(&span[1], end);
  });
  __syncthreads();
  return {min(span[0], span[1]) / tile * tile, span[1]};
}

/// The keys that queries first .. first + count - 1 have.
template <KeyRule kRule, typename Tile>
__device__ Walk keys_to_walk(const HeadLayout& layout, int head, int first, int count) {
  if constexpr (kRule == KeyRule::causal) {
    return {0, first + count};
  } else {
    __shared__ int span[2];
    return joined_walk(layout.sequence, Tile::WalkedRows, span, [&](auto&& include) {
      const int thread = static_cast<int>(threadIdx.y * Tile::X + threadIdx.x);
      for (int i = thread; i < count; i += Tile::Threads) {
        const KeyRange keys = layout.keys_of(head, first + i);
        if (keys.count > 0) {
          include(keys.first, keys.first + keys.count);
        }
      }
    });
  }
}

/// The queries that have one of the keys first .. first + count - 1.
template <KeyRule kRule, typename Tile>
__device__ Walk queries_to_walk(const HeadLayout& layout, int head, int first, int count) {
  if constexpr (kRule == KeyRule::causal) {
    return {first, layout.sequence};
  } else {
    __shared__ int span[2];
    return joined_walk(layout.sequence, Tile::WalkedRows, span, [&](auto&& include) {
      const int thread = static_cast<int>(threadIdx.y * Tile::X + threadIdx.x);
      for (int query = thread; query < layout.sequence; query += Tile::Threads) {
        const KeyRange keys = layout.keys_of(head, query);
        if (keys.first < first + count && first < keys.first + keys.count) {
          include(query, query + 1);
        }
      }
    });
  }
}

}  // namespace stagecraft::cuda
