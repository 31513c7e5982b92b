// dV = P'^T dO, dP' = dO V^T, dS = P (dP - delta) with delta = rowsum(dO O), dQ = dS K, dK = dS^T Q
// (Dao et al., arXiv 2205.14135, appendix B.4); P is exp(S - lse), P' and dP are after and
// before dropout.
#include <cmath>

#include "kernels/cuda/ops/attention_kind.h"
#include "kernels/cuda/primitives/attention_tile.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"
#include "kernels/ops/attention.h"

namespace stagecraft::cuda {
namespace {

template <typename T>
struct Backward {
  HeadLayout layout;
  int head_count;
  int tiles;
  MatrixView<const T> q;
  MatrixView<const T> k;
  MatrixView<const T> v;
  MatrixView<const T> dout;
  const float* lse;
  const float* delta;
  MatrixView<T> dq;
  MatrixView<T> dk;
  MatrixView<T> dv;
};

constexpr std::string_view kWhere = "attention_backward";

constexpr int kDeltaWarps = 8;

/// One warp for a query of a head; delta is [samples, heads, T] as lse is.
template <typename T>
__global__ void delta_kernel(HeadLayout layout, std::int64_t count, MatrixView<const T> out,
                             MatrixView<const T> dout, float* delta) {
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * kDeltaWarps + threadIdx.y;
  if (number >= count) {
    return;
  }
  const auto head = static_cast<int>(number / layout.sequence);
  const auto query = static_cast<int>(number % layout.sequence);
  const T* const o = layout.query_rows(out, head, query, 1).first;
  const T* const d = layout.query_rows(dout, head, query, 1).first;
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < layout.size; i += kWarp) {
    sum = fmaf(widened(o[i]), widened(d[i]), sum);
  }
  sum = reduce_lanes<kWarp, Plus>(sum);
  if (threadIdx.x == 0) {
    delta[number] = sum;
  }
}

/// Of one query in one tile.
template <KeyRule kRule>
struct Saved {
  Saved() = default;
  template <typename T>
  __device__ Saved(const Backward<T>& on, int head, int query) : keys(on.layout, head, query) {
    if (query < on.layout.sequence) {
      const std::int64_t at = static_cast<std::int64_t>(head) * on.layout.sequence + query;
      lse = on.lse[at];
      delta = on.delta[at];
    }
  }
  float lse = 0;
  float delta = 0;
  QueryKeys<kRule> keys;
};

/// P of one pair; zero where the query does not have the key, and beyond the sequence.
template <KeyRule kRule>
__device__ float probability(const HeadLayout& layout, float score, const Saved<kRule>& saved,
                             int query, int key) {
  return !saved.keys.has(key) || query >= layout.sequence ? 0.0F : expf(score - saved.lse);
}

/// Whose rows a block owns: those of queries (q and dO), which sum dQ over the keys, or those of
/// keys (k and v), which sum dK and dV over the queries. It walks over the other side's.
enum class Side : std::uint8_t { queries, keys };

/// load(rows, factor, tile) of both tensors of a side.
template <Side kSide, typename T, typename Load>
__device__ void load_pair(const Backward<T>& on, int head, int first, int count,
                          float* const (&tiles)[2], Load&& load) {
  const HeadLayout& layout = on.layout;
  if constexpr (kSide == Side::keys) {
    load(layout.key_rows(on.k, head, first, count), 1.0F, tiles[0]);
    load(layout.key_rows(on.v, head, first, count), 1.0F, tiles[1]);
  } else {
    load(layout.query_rows(on.q, head, first, count), layout.factor, tiles[0]);
    load(layout.query_rows(on.dout, head, first, count), 1.0F, tiles[1]);
  }
}

/// Of the thread's pairs scores become P', and dP' becomes dS. `query` and `key` are the thread's
/// first ones; saved_at(q) is of query + q.
template <Side kOwner, typename Tile, typename SavedOf>
__device__ void weigh(const HeadLayout& layout, int head, int query, int key, SavedOf&& saved_at,
                      float (&scores)[Tile::R][Tile::W], float (&dscores)[Tile::R][Tile::W]) {
  constexpr bool kOwnsKeys = kOwner == Side::keys;
  constexpr int kQueries = kOwnsKeys ? Tile::W : Tile::R;
  constexpr int kKeys = kOwnsKeys ? Tile::R : Tile::W;
#pragma unroll
  for (int q = 0; q < kQueries; ++q) {
    const auto& saved = saved_at(q);
    float factors[kKeys];
    if (layout.mask.active()) {
      mask_factors(layout.mask, layout.sample(head), layout.element(head, query + q, key), factors);
    }
#pragma unroll
    for (int k = 0; k < kKeys; ++k) {
      const int i = kOwnsKeys ? k : q;
      const int j = kOwnsKeys ? q : k;
      const float factor = layout.mask.active() ? factors[k] : 1.0F;
      const float p = probability(layout, scores[i][j], saved, query + q, key + k);
      dscores[i][j] = p * (dscores[i][j] * factor - saved.delta);
      scores[i][j] = p * factor;
    }
  }
}

/// A block that owns keys walks over the queries of all heads that share them, one after the other.
template <Side kOwner, KeyRule kRule, typename Tile, typename T>
__global__ void __launch_bounds__(Tile::Threads) backward_kernel(Backward<T> on) {
  constexpr bool kOwnsKeys = kOwner == Side::keys;
  extern __shared__ float4 shared[];
  float* const tiles = reinterpret_cast<float*>(shared);
  float* const own[2] = {tiles, tiles + Tile::OwnFloats};
  float* const walked[2] = {own[1] + Tile::OwnFloats,
                            own[1] + Tile::OwnFloats + Tile::WalkedFloats};
  float* const weights = walked[1] + Tile::WalkedFloats;
  const HeadLayout& layout = on.layout;
  const int heads = kOwnsKeys ? layout.heads_per_key_head : 1;  // of queries, from first_head on
  const int owners = on.head_count / heads;
  const int first_head = static_cast<int>(blockIdx.x) % owners * heads;
  const int number = static_cast<int>(blockIdx.x) / owners;
  const int tile = kOwnsKeys ? number : on.tiles - 1 - number;  // the longest walk first
  const int first = tile * Tile::OwnRows;
  const int count = min(Tile::OwnRows, layout.sequence - first);
  const int own_row = first + static_cast<int>(threadIdx.y) * Tile::R;
  load_pair<kOwner>(
      on, first_head, first, count, own,
      [](const auto& rows, float factor, float* to) { load_own<Tile>(rows, factor, to); });
  Saved<kRule> saved[Tile::R];  // of own queries; those of walked ones are read tile by tile
  if constexpr (!kOwnsKeys) {
#pragma unroll
    for (int i = 0; i < Tile::R; ++i) {
      saved[i] = Saved<kRule>(on, first_head, own_row + i);
    }
  }
  float sums[Tile::R][Tile::C] = {};  // dQ or dK
  float dvalues[Tile::R][Tile::C] = {};
  const auto walk = [&](int head) {
    const auto load = [&](int row, int row_count) {
      constexpr Side kWalked = kOwnsKeys ? Side::queries : Side::keys;
      load_pair<kWalked>(
          on, head, row, row_count, walked,
          [](const auto& rows, float factor, float* to) { load_walked<Tile>(rows, factor, to); });
    };
    const auto use = [&](int row) {
      float scores[Tile::R][Tile::W];
      float dscores[Tile::R][Tile::W];
      multiply_rows<Tile>(own[0], walked[0], layout.size, scores);
      multiply_rows<Tile>(own[1], walked[1], layout.size, dscores);
      if constexpr (kOwnsKeys) {
        const auto saved_at = [&](int q) { return Saved<kRule>(on, head, row + q); };
        weigh<kOwner, Tile>(layout, head, row, own_row, saved_at, scores, dscores);
        accumulate<Tile>(scores, weights, walked[1], dvalues);
      } else {
        const auto saved_at = [&](int q) { return saved[q]; };
        weigh<kOwner, Tile>(layout, head, own_row, row, saved_at, scores, dscores);
      }
      accumulate<Tile>(dscores, weights, walked[0], sums);
    };
    const Walk rows = kOwnsKeys ? queries_to_walk<kRule, Tile>(layout, head, first, count)
                                : keys_to_walk<kRule, Tile>(layout, head, first, count);
    walk_tiles<Tile>(rows, layout.sequence, load, use);
  };
  for (int i = 0; i < heads; ++i) {
    walk(first_head + i);
  }
  if constexpr (kOwnsKeys) {
    store_rows<Tile>(sums, 1.0F, layout.key_rows(on.dk, first_head, first, count));
    store_rows<Tile>(dvalues, 1.0F, layout.key_rows(on.dv, first_head, first, count));
  } else {
    store_rows<Tile>(sums, layout.factor, layout.query_rows(on.dq, first_head, first, count));
  }
}

template <Side kOwner, typename Tile, typename T>
void run(Stream& stream, Backward<T> on) {
  on.tiles = static_cast<int>(parts_of(on.layout.sequence, Tile::OwnRows));
  const int owners =
      kOwner == Side::keys ? on.head_count / on.layout.heads_per_key_head : on.head_count;
  with_key_rule(on.layout, [&]<KeyRule kRule>() {
    launch(stream, kWhere,
           {.blocks = std::int64_t{owners} * on.tiles,
            .threads = dim3(Tile::X, Tile::Y),
            .shared_bytes = Tile::shared_bytes(2, 2)},
           backward_kernel<kOwner, kRule, Tile, T>, on);
  });
}

template <typename KeysTile, typename QueriesTile, typename T>
void run(Stream& stream, const Backward<T>& on) {
  run<Side::keys, KeysTile>(stream, on);
  run<Side::queries, QueriesTile>(stream, on);
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
  const bool vectorized = has_vectorizable_heads(
      shape.head_size, {&args.q, &args.k, &args.v, &args.dout, &args.dq, &args.dk, &args.dv});
  const Backward<T> on = {.layout = HeadLayout(args, vectorized),
                          .head_count = static_cast<int>(heads),
                          .tiles = 0,
                          .q = read_only(args.q.matrix<T>()),
                          .k = read_only(args.k.matrix<T>()),
                          .v = read_only(args.v.matrix<T>()),
                          .dout = read_only(args.dout.matrix<T>()),
                          .lse = args.lse.data<float>(),
                          .delta = delta.data<float>(),
                          .dq = args.dq.matrix<T>(),
                          .dk = args.dk.matrix<T>(),
                          .dv = args.dv.matrix<T>()};
  launch(stream, kWhere,
         {.blocks = parts_of(queries, kDeltaWarps), .threads = dim3(kWarp, kDeltaWarps)},
         delta_kernel<T>, on.layout, queries, read_only(args.out.matrix<T>()), on.dout,
         delta.data<float>());
  run(stream, on);
}

}  // namespace

/// Two passes, so that every sum has one owner: a block is a tile of keys and sums dK and dV over
/// the queries, then a block is a tile of queries and sums dQ over the keys. Scores are computed
/// twice.
void attention_backward(Stream& stream, const AttentionBackward& args) {
  if (computes_by_cudnn(stream, args)) {
    on_cuda(stream).count(&StreamUse::library_attention_backwards);
    on_cuda(stream).cudnn_attention().backward(stream, args);
    return;
  }
  on_cuda(stream).count(&StreamUse::own_attentions);
  check_head_size(kWhere, args.shape.head_size);
  with_element(args.q.dtype(), [&]<typename T>() { run<T>(stream, args); });
}

}  // namespace stagecraft::cuda
