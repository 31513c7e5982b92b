// Attention on CUDA in float32: tiles of 128 queries by 64 keys (smaller for large heads) in shared
// memory, products in float32 on the ordinary units.
#include "kernels/ops/attention.h"

#include <cmath>
#include <limits>

#include "kernels/cuda/ops/attention_kind.h"
#include "kernels/cuda/primitives/attention_keys.cuh"
#include "kernels/cuda/primitives/attention_tile.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {
namespace {

template <typename T>
struct Forward {
  HeadLayout layout;
  int head_count;
  int tiles;
  MatrixView<const T> q;
  MatrixView<const T> k;
  MatrixView<const T> v;
  MatrixView<T> out;
  float* lse;
};

constexpr std::string_view kWhere = "attention_forward";

constexpr float kNever = -std::numeric_limits<float>::infinity();
/// A number: a maximum of no keys yet can be subtracted from a score of kNever.
constexpr float kLowest = std::numeric_limits<float>::lowest();

/// The running softmax of a thread's queries (Milakov & Gimelshein, arXiv 1805.02867): `sum` is of
/// the thread's own keys only, until the end.
template <int R>
struct Softmax {
  __device__ Softmax() {
#pragma unroll
    for (int i = 0; i < R; ++i) {
      maximum[i] = kLowest;
      sum[i] = 0;
    }
  }
  float maximum[R];
  float sum[R];
};

/// Scores become exp(score - maximum so far), those of keys that a query does not have 0;
/// `correction` is what everything under the old maximum has to be multiplied by.
template <typename Tile, KeyRule kRule>
__device__ void softmax_step(const QueryKeys<kRule> (&keys)[Tile::R], int first_key,
                             float (&scores)[Tile::R][Tile::W], Softmax<Tile::R>& softmax,
                             float (&correction)[Tile::R]) {
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    float largest = softmax.maximum[i];
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      scores[i][j] = keys[i].has(first_key + j) ? scores[i][j] : kNever;
      largest = fmaxf(largest, scores[i][j]);
    }
    largest = reduce_lanes<Tile::X, Larger>(largest);
    correction[i] = expf(softmax.maximum[i] - largest);
    softmax.maximum[i] = largest;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      scores[i][j] = expf(scores[i][j] - largest);
      sum += scores[i][j];
    }
    softmax.sum[i] = softmax.sum[i] * correction[i] + sum;
  }
}

template <typename Tile>
__device__ void drop(const HeadLayout& layout, int head, int first_query, int first_key,
                     float (&weights)[Tile::R][Tile::W]) {
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    float factors[Tile::W];
    mask_factors(layout.mask, layout.sample(head), layout.element(head, first_query + i, first_key),
                 factors);
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      weights[i][j] *= factors[j];
    }
  }
}

template <int R, int C>
__device__ void scale_rows(const float (&factors)[R], float (&sums)[R][C]) {
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int c = 0; c < C; ++c) {
      sums[i][c] *= factors[i];
    }
  }
}

template <KeyRule kRule, typename Tile, typename T>
__global__ void __launch_bounds__(Tile::Threads) forward_kernel(Forward<T> on) {
  extern __shared__ float4 shared[];
  float* const queries = reinterpret_cast<float*>(shared);
  float* const keys = queries + Tile::OwnFloats;
  float* const values = keys + Tile::WalkedFloats;
  float* const weights = values + Tile::WalkedFloats;
  const HeadLayout& layout = on.layout;
  const int head = static_cast<int>(blockIdx.x) % on.head_count;
  const int tile = on.tiles - 1 - static_cast<int>(blockIdx.x) / on.head_count;  // longest first
  const int first = tile * Tile::OwnRows;
  const int count = min(Tile::OwnRows, layout.sequence - first);
  const int own_query = first + static_cast<int>(threadIdx.y) * Tile::R;
  load_own<Tile>(layout.query_rows(on.q, head, first, count), layout.factor, queries);
  QueryKeys<kRule> own_keys[Tile::R];
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    own_keys[i] = QueryKeys<kRule>(layout, head, own_query + i);
  }
  Softmax<Tile::R> softmax;
  float sums[Tile::R][Tile::C] = {};
  const auto load = [&](int key, int key_count) {
    load_walked<Tile>(layout.key_rows(on.k, head, key, key_count), 1, keys);
    load_walked<Tile>(layout.key_rows(on.v, head, key, key_count), 1, values);
  };
  const auto use = [&](int key) {
    float scores[Tile::R][Tile::W];
    float correction[Tile::R];
    multiply_rows<Tile>(queries, keys, layout.size, scores);
    softmax_step<Tile>(own_keys, key, scores, softmax, correction);
    if (layout.mask.active()) {
      drop<Tile>(layout, head, own_query, key, scores);
    }
    scale_rows(correction, sums);
    accumulate<Tile>(scores, weights, values, sums);
  };
  walk_tiles<Tile>(keys_to_walk<kRule, Tile>(layout, head, first, count), layout.sequence, load,
                   use);
  float factors[Tile::R];
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    const float sum = reduce_lanes<Tile::X, Plus>(softmax.sum[i]);
    factors[i] = sum == 0 ? 0.0F : 1.0F / sum;
    if (threadIdx.x == 0 && own_query + i < layout.sequence) {
      on.lse[static_cast<std::int64_t>(head) * layout.sequence + own_query + i] =
          softmax.maximum[i] + logf(sum);
    }
  }
  store_rows<Tile>(sums, factors, layout.query_rows(on.out, head, first, count));
}

template <typename Tile, typename T>
void run_on(Stream& stream, const AttentionForward& args) {
  const AttentionShape& shape = args.shape;
  const std::int64_t heads = shape.samples * shape.heads;
  const std::int64_t tiles = parts_of(shape.sequence, Tile::OwnRows);
  const bool vectorized =
      has_vectorizable_heads(shape.head_size, {&args.q, &args.k, &args.v, &args.out});
  const Forward<T> on = {.layout = HeadLayout(args, vectorized),
                         .head_count = static_cast<int>(heads),
                         .tiles = static_cast<int>(tiles),
                         .q = read_only(args.q.matrix<T>()),
                         .k = read_only(args.k.matrix<T>()),
                         .v = read_only(args.v.matrix<T>()),
                         .out = args.out.matrix<T>(),
                         .lse = args.lse.data<float>()};
  with_key_rule(on.layout, [&]<KeyRule kRule>() {
    launch(stream, kWhere,
           {.blocks = heads * tiles,
            .threads = dim3(Tile::X, Tile::Y),
            .shared_bytes = Tile::shared_bytes(1, 2)},
           forward_kernel<kRule, Tile, T>, on);
  });
}

template <typename Tile>
void run(Stream& stream, const AttentionForward& args) {
  with_element(args.q.dtype(), [&]<typename T>() { run_on<Tile, T>(stream, args); });
}

}  // namespace

/// Heads of at most 256 numbers; more throw Error. A block is one tile of queries of one head.
void attention_forward(Stream& stream, const AttentionForward& args) {
  if (computes_by_cudnn(stream, args)) {
    on_cuda(stream).count(&StreamUse::library_attention_forwards);
    on_cuda(stream).cudnn_attention().forward(stream, args);
    return;
  }
  on_cuda(stream).count(&StreamUse::own_attentions);
  const std::int64_t size = args.shape.head_size;
  check_head_size(kWhere, size);
  if (size <= 32) {
    run<TileShape<8, 16, 8, 8, 4>>(stream, args);
  } else if (size <= 64) {
    run<TileShape<8, 16, 8, 8, 8>>(stream, args);
  } else if (size <= 96) {
    run<TileShape<8, 16, 8, 4, 12>>(stream, args);
  } else if (size <= 128) {
    run<TileShape<16, 16, 4, 4, 8>>(stream, args);
  } else {
    run<TileShape<16, 16, 4, 4, 16>>(stream, args);
  }
}

}  // namespace stagecraft::cuda
