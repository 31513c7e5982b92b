// dV = P'^T dO, dP' = dO V^T, dS = P (dP - delta) with delta = rowsum(dO O), dQ = dS K, dK = dS^T Q
// (Dao et al., arXiv 2205.14135, appendix B.4); P is exp(S - lse), P' and dP are after and
// before dropout.
#include <cmath>

#include "kernels/cuda/primitives/attention_tile.cuh"
#include "kernels/ops/attention.h"

namespace stagecraft::cuda {
namespace {

template <typename T>
struct Backward {
  HeadLayout layout;
  int head_count;
  int tiles;
  const T* qkv;
  const T* dout;
  const float* lse;
  const float* delta;
  T* dqkv;

  __device__ Rows<T> rows(int head, int part, int first, int count) const {
    const std::int64_t stride = 3 * layout.row;
    return {qkv + layout.qkv(head, part) + first * stride, stride, count, layout.size,
            layout.vectorized};
  }
  __device__ Rows<T> dout_rows(int head, int first, int count) const {
    return {dout + layout.out(head) + first * layout.row, layout.row, count, layout.size,
            layout.vectorized};
  }
  __device__ Target<T> target(int head, int part, int first, int count) const {
    const std::int64_t stride = 3 * layout.row;
    return {dqkv + layout.qkv(head, part) + first * stride, stride, count, layout.size,
            layout.vectorized};
  }
};

constexpr std::string_view kWhere = "attention_backward";

constexpr int kDeltaWarps = 8;

/// One warp for a query of a head; delta is [samples, heads, T] as lse is.
template <typename T>
__global__ void delta_kernel(HeadLayout layout, std::int64_t count, const T* out, const T* dout,
                             float* delta) {
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * kDeltaWarps + threadIdx.y;
  if (number >= count) {
    return;
  }
  const auto head = static_cast<int>(number / layout.sequence);
  const std::int64_t at = layout.out(head) + number % layout.sequence * layout.row;
  float sum = 0;
  for (int d = static_cast<int>(threadIdx.x); d < layout.size; d += kWarp) {
    sum = fmaf(widened(out[at + d]), widened(dout[at + d]), sum);
  }
  sum = reduce_lanes<kWarp, Plus>(sum);
  if (threadIdx.x == 0) {
    delta[number] = sum;
  }
}

/// Of one query in one tile.
struct Saved {
  float lse;
  float delta;
};

template <typename T>
__device__ Saved saved_of(const Backward<T>& on, int head, int query) {
  if (query >= on.layout.sequence) {
    return {0, 0};
  }
  const std::int64_t at = static_cast<std::int64_t>(head) * on.layout.sequence + query;
  return {on.lse[at], on.delta[at]};
}

/// P of one pair; zero above the diagonal and beyond the sequence.
__device__ float probability(const HeadLayout& layout, float score, const Saved& saved, int query,
                             int key) {
  return key > query || query >= layout.sequence ? 0.0F : expf(score - saved.lse);
}

/// A block owns a tile of keys and walks over the queries from the diagonal on.
template <typename Tile, typename T>
__global__ void __launch_bounds__(Tile::Threads) keys_kernel(Backward<T> on) {
  extern __shared__ float4 shared[];
  float* const keys = reinterpret_cast<float*>(shared);
  float* const values = keys + Tile::OwnFloats;
  float* const queries = values + Tile::OwnFloats;
  float* const douts = queries + Tile::WalkedFloats;
  float* const weights = douts + Tile::WalkedFloats;
  const HeadLayout& layout = on.layout;
  const int head = static_cast<int>(blockIdx.x) % on.head_count;
  const int first = static_cast<int>(blockIdx.x) / on.head_count * Tile::OwnRows;  // longest first
  const int count = min(Tile::OwnRows, layout.sequence - first);
  const int own_key = first + static_cast<int>(threadIdx.y) * Tile::R;
  load_own<Tile>(on.rows(head, 1, first, count), 1, keys);
  load_own<Tile>(on.rows(head, 2, first, count), 1, values);
  float dkeys[Tile::R][Tile::C] = {};
  float dvalues[Tile::R][Tile::C] = {};
  for (int query = first; query < layout.sequence; query += Tile::WalkedRows) {
    const int query_count = min(Tile::WalkedRows, layout.sequence - query);
    __syncthreads();  // the tiles may still be read
    load_walked<Tile>(on.rows(head, 0, query, query_count), layout.factor, queries);
    load_walked<Tile>(on.dout_rows(head, query, query_count), 1, douts);
    __syncthreads();
    const int own_query = query + static_cast<int>(threadIdx.x) * Tile::W;
    float kept[Tile::R][Tile::W];
    float dscores[Tile::R][Tile::W];
    multiply_rows<Tile>(keys, queries, layout.size, kept);
    multiply_rows<Tile>(values, douts, layout.size, dscores);
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      const Saved saved = saved_of(on, head, own_query + j);
      float factors[Tile::R];
      if (layout.mask.active()) {
        mask_factors(layout.mask, layout.sample(head), layout.element(head, own_query + j, own_key),
                     factors);
      }
#pragma unroll
      for (int i = 0; i < Tile::R; ++i) {
        const float factor = layout.mask.active() ? factors[i] : 1.0F;
        const float p = probability(layout, kept[i][j], saved, own_query + j, own_key + i);
        dscores[i][j] = p * (dscores[i][j] * factor - saved.delta);
        kept[i][j] = p * factor;
      }
    }
    share_weights<Tile>(kept, weights);
    add_weighted<Tile>(weights, douts, dvalues);
    share_weights<Tile>(dscores, weights);
    add_weighted<Tile>(weights, queries, dkeys);
  }
  float ones[Tile::R];
#pragma unroll
  for (float& one : ones) {
    one = 1;
  }
  store_rows<Tile>(dkeys, ones, on.target(head, 1, first, count));
  store_rows<Tile>(dvalues, ones, on.target(head, 2, first, count));
}

/// A block owns a tile of queries and walks over the keys up to the diagonal.
template <typename Tile, typename T>
__global__ void __launch_bounds__(Tile::Threads) queries_kernel(Backward<T> on) {
  extern __shared__ float4 shared[];
  float* const queries = reinterpret_cast<float*>(shared);
  float* const douts = queries + Tile::OwnFloats;
  float* const keys = douts + Tile::OwnFloats;
  float* const values = keys + Tile::WalkedFloats;
  float* const weights = values + Tile::WalkedFloats;
  const HeadLayout& layout = on.layout;
  const int head = static_cast<int>(blockIdx.x) % on.head_count;
  const int tile = on.tiles - 1 - static_cast<int>(blockIdx.x) / on.head_count;  // longest first
  const int first = tile * Tile::OwnRows;
  const int count = min(Tile::OwnRows, layout.sequence - first);
  const int own_query = first + static_cast<int>(threadIdx.y) * Tile::R;
  load_own<Tile>(on.rows(head, 0, first, count), layout.factor, queries);
  load_own<Tile>(on.dout_rows(head, first, count), 1, douts);
  Saved saved[Tile::R];
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    saved[i] = saved_of(on, head, own_query + i);
  }
  float dqueries[Tile::R][Tile::C] = {};
  for (int key = 0; key < first + count; key += Tile::WalkedRows) {
    const int key_count = min(Tile::WalkedRows, layout.sequence - key);
    __syncthreads();  // the tiles may still be read
    load_walked<Tile>(on.rows(head, 1, key, key_count), 1, keys);
    load_walked<Tile>(on.rows(head, 2, key, key_count), 1, values);
    __syncthreads();
    const int own_key = key + static_cast<int>(threadIdx.x) * Tile::W;
    float scores[Tile::R][Tile::W];
    float dscores[Tile::R][Tile::W];
    multiply_rows<Tile>(queries, keys, layout.size, scores);
    multiply_rows<Tile>(douts, values, layout.size, dscores);
#pragma unroll
    for (int i = 0; i < Tile::R; ++i) {
      float factors[Tile::W];
      if (layout.mask.active()) {
        mask_factors(layout.mask, layout.sample(head), layout.element(head, own_query + i, own_key),
                     factors);
      }
#pragma unroll
      for (int j = 0; j < Tile::W; ++j) {
        const float factor = layout.mask.active() ? factors[j] : 1.0F;
        const float p = probability(layout, scores[i][j], saved[i], own_query + i, own_key + j);
        dscores[i][j] = p * (dscores[i][j] * factor - saved[i].delta);
      }
    }
    share_weights<Tile>(dscores, weights);
    add_weighted<Tile>(weights, keys, dqueries);
  }
  float factors[Tile::R];
#pragma unroll
  for (float& factor : factors) {
    factor = layout.factor;
  }
  store_rows<Tile>(dqueries, factors, on.target(head, 0, first, count));
}

template <typename Tile, typename T>
void run(Stream& stream, Backward<T> on, void (*kernel)(Backward<T>)) {
  on.tiles = static_cast<int>(parts_of(on.layout.sequence, Tile::OwnRows));
  launch(stream, kWhere,
         {.blocks = std::int64_t{on.head_count} * on.tiles,
          .threads = dim3(Tile::X, Tile::Y),
          .shared_bytes = Tile::shared_bytes(2, 2)},
         kernel, on);
}

template <typename KeysCut, typename QueriesCut, typename T>
void run(Stream& stream, const Backward<T>& on) {
  run<KeysCut, T>(stream, on, keys_kernel<KeysCut, T>);
  run<QueriesCut, T>(stream, on, queries_kernel<QueriesCut, T>);
}

template <typename T>
void run(Stream& stream, const Backward<T>& on) {
  const int size = on.layout.size;
  if (size <= 32) {
    run<TileShape<8, 16, 8, 4, 4>, TileShape<8, 16, 8, 4, 4>>(stream, on);
  } else if (size <= 64) {
    run<TileShape<16, 16, 4, 4, 4>, TileShape<16, 16, 4, 4, 4>>(stream, on);
  } else if (size <= 96) {
    run<TileShape<8, 16, 4, 4, 12>, TileShape<8, 16, 8, 4, 12>>(stream, on);
  } else if (size <= 128) {
    run<TileShape<8, 16, 4, 4, 16>, TileShape<8, 16, 4, 4, 16>>(stream, on);
  } else {
    run<TileShape<16, 16, 2, 2, 16>, TileShape<16, 16, 2, 2, 16>>(stream, on);
  }
}

template <typename T>
void run(Stream& stream, const AttentionBackward& args) {
  const AttentionShape& shape = args.shape;
  const std::int64_t heads = shape.samples * shape.heads;
  const std::int64_t queries = heads * shape.sequence;
  const Tensor delta(stream.memory(), {queries}, DType::float32, MemoryLabel::workspace);
  const auto* qkv = args.qkv.data<T>();
  const auto* dout = args.dout.data<T>();
  auto* dqkv = args.dqkv.data<T>();
  const HeadLayout layout(shape, is_vectorizable({qkv, dout, dqkv}, shape.head_size));
  launch(stream, kWhere,
         {.blocks = parts_of(queries, kDeltaWarps), .threads = dim3(kWarp, kDeltaWarps)},
         delta_kernel<T>, layout, queries, args.out.data<T>(), dout, delta.data<float>());
  run(stream, Backward<T>{.layout = layout,
                          .head_count = static_cast<int>(heads),
                          .tiles = 0,
                          .qkv = qkv,
                          .dout = dout,
                          .lse = args.lse.data<float>(),
                          .delta = delta.data<float>(),
                          .dqkv = dqkv});
}

}  // namespace

/// Two passes, so that every sum has one owner: a block is a tile of keys and sums dK and dV over
/// the queries, then a block is a tile of queries and sums dQ over the keys. Scores are computed
/// twice.
void attention_backward(Stream& stream, const AttentionBackward& args) {
  if (computes_by_cudnn(stream, args.shape, args.qkv.dtype())) {
    on_cuda(stream).cudnn_attention().backward(stream, args);
    return;
  }
  check_head_size(kWhere, args.shape.head_size);
  with_element(args.qkv.dtype(), [&]<typename T>() { run<T>(stream, args); });
}

}  // namespace stagecraft::cuda
