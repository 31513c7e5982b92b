#include "kernels/cuda/attention.h"

#include <cmath>
#include <limits>

#include "kernels/cuda/attention_tile.cuh"

namespace stagecraft::cuda {
namespace {

struct Forward {
  HeadLayout layout;
  int head_count;
  int tiles;
  const float* qkv;
  float* out;
  float* log_sum;
};

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// The running softmax of a thread's N queries (Milakov & Gimelshein, arXiv 1805.02867): `sum` is
/// of the thread's own keys only, until the end.
template <int N>
struct Softmax {
  float maximum[N];
  float sum[N];
};

/// Scores become exp(score - maximum so far), those above the diagonal 0; `correction` is what
/// everything under the old maximum has to be multiplied by.
template <int N>
__device__ void softmax_step(int first_query, int first_key, float (&scores)[N][N],
                             Softmax<N>& softmax, float (&correction)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float largest = softmax.maximum[i];
#pragma unroll
    for (int j = 0; j < N; ++j) {
      scores[i][j] = first_key + j > first_query + i ? kLowest : scores[i][j];
      largest = fmaxf(largest, scores[i][j]);
    }
    largest = join_lanes<kSide, Larger>(largest);
    correction[i] = expf(softmax.maximum[i] - largest);
    softmax.maximum[i] = largest;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      scores[i][j] = expf(scores[i][j] - largest);
      sum += scores[i][j];
    }
    softmax.sum[i] = softmax.sum[i] * correction[i] + sum;
  }
}

template <int N>
__device__ void drop(const HeadLayout& layout, int head, int first_query, int first_key,
                     float (&weights)[N][N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float factors[N];
    layout.mask.factors(layout.sample(head), layout.element(head, first_query + i, first_key),
                        factors);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      weights[i][j] *= factors[j];
    }
  }
}

template <int N, int C>
__device__ void scale_rows(const float (&factors)[N], float (&sums)[N][C]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
#pragma unroll
    for (int c = 0; c < C; ++c) {
      sums[i][c] *= factors[i];
    }
  }
}

template <typename Cut>
__global__ void __launch_bounds__(kTileThreads) forward_kernel(Forward on) {
  constexpr int N = Cut::N;
  extern __shared__ float4 shared[];
  float* const queries = reinterpret_cast<float*>(shared);
  float* const keys = queries + Cut::TileFloats;
  float* const values = keys + Cut::TileFloats;
  float* const weights = values + Cut::TileFloats;
  const HeadLayout& layout = on.layout;
  const int head = static_cast<int>(blockIdx.x) % on.head_count;
  const int tile = on.tiles - 1 - static_cast<int>(blockIdx.x) / on.head_count;  // longest first
  const int first = tile * Cut::Rows;
  const int count = min(Cut::Rows, layout.sequence - first);
  const std::int64_t stride = 3 * layout.row;
  const int own_query = first + static_cast<int>(threadIdx.y) * N;
  load_tile<Cut, Order::natural>(
      {on.qkv + layout.qkv(head, 0) + first * stride, stride, count, layout.size, layout.wide},
      layout.factor, queries);
  Softmax<N> softmax;
  float sums[N][Cut::C] = {};
#pragma unroll
  for (int i = 0; i < N; ++i) {
    softmax.maximum[i] = kLowest;
    softmax.sum[i] = 0;
  }
  for (int key = 0; key < first + count; key += Cut::Rows) {
    const int key_count = min(Cut::Rows, layout.sequence - key);
    __syncthreads();  // the tiles may still be read
    load_tile<Cut, Order::interleaved>(
        {on.qkv + layout.qkv(head, 1) + key * stride, stride, key_count, layout.size, layout.wide},
        1, keys);
    load_tile<Cut, Order::interleaved>(
        {on.qkv + layout.qkv(head, 2) + key * stride, stride, key_count, layout.size, layout.wide},
        1, values);
    __syncthreads();
    const int own_key = key + static_cast<int>(threadIdx.x) * N;
    float scores[N][N];
    float correction[N];
    multiply_rows<Cut>(queries, keys, layout.size, scores);
    softmax_step(own_query, own_key, scores, softmax, correction);
    if (layout.mask.active()) {
      drop(layout, head, own_query, own_key, scores);
    }
    scale_rows(correction, sums);
    share_weights<Cut>(scores, weights);
    add_weighted<Cut>(weights, values, sums);
  }
  float factors[N];
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float sum = join_lanes<kSide, Plus>(softmax.sum[i]);
    factors[i] = 1.0F / sum;
    if (threadIdx.x == 0 && own_query + i < layout.sequence) {
      on.log_sum[static_cast<std::int64_t>(head) * layout.sequence + own_query + i] =
          softmax.maximum[i] + logf(sum);
    }
  }
  store_rows<Cut>(sums, factors, count, layout.size, on.out + layout.out(head) + first * layout.row,
                  layout.row);
}

}  // namespace

void attention_forward(Stream& stream, const AttentionForward& args) {
  constexpr std::string_view kPlace = "attention_forward";
  const AttentionShape& shape = args.shape;
  with_tile_cut(kPlace, shape.head_size, [&]<typename Cut>(Cut) {
    const std::int64_t heads = shape.samples * shape.heads;
    const std::int64_t tiles = tiles_of(shape.sequence, Cut::Rows);
    const Forward on = {
        .layout = HeadLayout(shape, moves_wide({args.qkv.data<float>()}, shape.head_size)),
        .head_count = static_cast<int>(heads),
        .tiles = static_cast<int>(tiles),
        .qkv = args.qkv.data<float>(),
        .out = args.out.data<float>(),
        .log_sum = args.log_sum.data<float>()};
    launch(stream, kPlace,
           {.blocks = heads * tiles,
            .threads = dim3(kSide, kSide),
            .shared_bytes = sizeof(float) * (3 * Cut::TileFloats + Cut::WeightFloats)},
           forward_kernel<Cut>, on);
  });
}

}  // namespace stagecraft::cuda
