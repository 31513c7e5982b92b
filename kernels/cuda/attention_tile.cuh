// What the passes of attention share: how a head lies in memory, tiles in shared memory, and the
// two kinds of products between them.
//
// A block is 16 x 16 threads. Thread (x, y) owns rows y * N .. y * N + N - 1 of the block's own
// tile and, of the tile that it walks over, the rows at positions x, x + 16, ..: neighbouring
// threads read neighbouring rows, which a stride of 4 floats more than the width puts into
// different banks.
#pragma once

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mask.cuh"
#include "kernels/ops/attention.h"

namespace stagecraft::cuda {

inline constexpr int kSide = 16;
inline constexpr int kTileThreads = kSide * kSide;
inline constexpr std::int64_t kMostHeadSize = 256;

/// N rows a thread; C columns of a head a thread, so heads of up to 16 C numbers.
template <int N_, int C_>
struct TileCut {
  static constexpr int N = N_;
  static constexpr int C = C_;
  static constexpr int Rows = kSide * N;
  static constexpr int Width = kSide * C;
  static constexpr int Stride = Width + 4;
  static constexpr int TileFloats = Rows * Stride;
  static constexpr int WeightStride = Rows + 4;
  static constexpr int WeightFloats = Rows * WeightStride;
};

/// Sizes, and where a head's numbers begin.
struct HeadLayout {
  HeadLayout(const AttentionShape& shape, bool wide_rows)
      : sequence(static_cast<int>(shape.sequence)),
        heads(static_cast<int>(shape.heads)),
        size(static_cast<int>(shape.head_size)),
        row(shape.heads * shape.head_size),
        first_head(shape.first_head),
        factor(1.0F / std::sqrt(static_cast<float>(shape.head_size))),
        wide(wide_rows),
        mask(shape.dropout) {}

  int sequence;
  int heads;
  int size;
  std::int64_t row;  // floats between tokens of out; qkv has three times as many
  std::int64_t first_head;
  float factor;
  bool wide;
  Mask mask;

  /// `head` counts through samples and their heads.
  __device__ std::int64_t sample(int head) const { return head / heads; }
  __device__ std::int64_t out(int head) const {
    return sample(head) * sequence * row + head % heads * size;
  }
  /// part 0, 1, 2: q, k, v.
  __device__ std::int64_t qkv(int head, int part) const {
    return sample(head) * sequence * 3 * row + part * row + head % heads * size;
  }
  /// A probability's number in its sample's sequence of dropout.
  __device__ std::uint64_t element(int head, int query, int key) const {
    const std::int64_t global_head = first_head + head % heads;
    return static_cast<std::uint64_t>((global_head * sequence + query) * sequence + key);
  }
};

/// Calls f(TileCut) with the smallest that holds heads of `size`.
template <typename F>
void with_tile_cut(std::string_view place, std::int64_t size, F&& f) {
  require(size <= kMostHeadSize, place, "heads of {} numbers: at most {} are attended on CUDA",
          size, kMostHeadSize);
  if (size <= 32) {
    f(TileCut<4, 2>());
  } else if (size <= 64) {
    f(TileCut<4, 4>());
  } else if (size <= 96) {
    f(TileCut<4, 6>());
  } else if (size <= 128) {
    f(TileCut<4, 8>());
  } else {
    f(TileCut<2, 16>());
  }
}

inline std::int64_t tiles_of(std::int64_t sequence, int rows) { return parts_of(sequence, rows); }

/// Rows as they are, or so that a thread's N positions x, x + 16, .. hold N neighbouring rows.
enum class Order { natural, interleaved };

template <typename Cut, Order order>
__device__ int row_at(int position) {
  return order == Order::natural ? position : position % kSide * Cut::N + position / kSide;
}

struct Rows {
  const float* first;
  std::int64_t stride;
  int count;  // those beyond are zero
  int size;
  bool wide;
};

__device__ inline int thread_number() {
  return static_cast<int>(threadIdx.y * kSide + threadIdx.x);
}

/// tile[position][0 .. Width) = factor * the row, filled up with zeros.
template <typename Cut, Order order>
__device__ void load_tile(const Rows& rows, float factor, float* tile) {
  constexpr int kGroups = Cut::Width / 4;
  for (int i = thread_number(); i < Cut::Rows * kGroups; i += kTileThreads) {
    const int position = i / kGroups;
    const int column = i % kGroups * 4;
    const int row = row_at<Cut, order>(position);
    float4 value = {0, 0, 0, 0};
    if (row < rows.count && column < rows.size) {
      const float* const from = rows.first + row * rows.stride;
      value =
          rows.wide ? load4<true>(from, column, rows.size) : load4<false>(from, column, rows.size);
    }
    *reinterpret_cast<float4*>(tile + position * Cut::Stride + column) = value * factor;
  }
}

/// products[i][j] = own[y N + i] . walked[x + 16 j], over `size` columns.
template <typename Cut>
__device__ void multiply_rows(const float* own, const float* walked, int size,
                              float (&products)[Cut::N][Cut::N]) {
  constexpr int N = Cut::N;
#pragma unroll
  for (int i = 0; i < N; ++i) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      products[i][j] = 0;
    }
  }
  own += threadIdx.y * N * Cut::Stride;
  walked += threadIdx.x * Cut::Stride;
#pragma unroll 2
  for (int column = 0; column < size; column += 4) {
    float4 left[N];
    float4 right[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      left[i] = *reinterpret_cast<const float4*>(own + i * Cut::Stride + column);
      right[i] = *reinterpret_cast<const float4*>(walked + i * kSide * Cut::Stride + column);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        float sum = fmaf(left[i].x, right[j].x, products[i][j]);
        sum = fmaf(left[i].y, right[j].y, sum);
        sum = fmaf(left[i].z, right[j].z, sum);
        products[i][j] = fmaf(left[i].w, right[j].w, sum);
      }
    }
  }
}

/// Puts weights[i][j] of own row y N + i and position x + 16 j where add_weighted() finds them.
/// Only threads of one y, half a warp, exchange them.
template <typename Cut>
__device__ void share_weights(const float (&weights)[Cut::N][Cut::N], float* shared) {
  constexpr int N = Cut::N;
  __syncwarp();  // what was shared before may still be read
#pragma unroll
  for (int j = 0; j < N; ++j) {
    float* const to = shared + (threadIdx.x + kSide * j) * Cut::WeightStride + threadIdx.y * N;
    if constexpr (N == 4) {
      *reinterpret_cast<float4*>(to) = {weights[0][j], weights[1][j], weights[2][j], weights[3][j]};
    } else {
      *reinterpret_cast<float2*>(to) = {weights[0][j], weights[1][j]};
    }
  }
  __syncwarp();
}

/// The column of the head that is the thread's number c.
__device__ inline int column_of(int c) {
  return static_cast<int>(threadIdx.x) * 2 + c / 2 * 2 * kSide + c % 2;
}

/// sums[i][c] += sum over positions, in their order, of weight(y N + i, position) *
/// walked[position][column_of(c)].
template <typename Cut>
__device__ void add_weighted(const float* weights, const float* walked,
                             float (&sums)[Cut::N][Cut::C]) {
  constexpr int N = Cut::N;
  weights += threadIdx.y * N;
  walked += threadIdx.x * 2;
#pragma unroll 4
  for (int position = 0; position < Cut::Rows; ++position) {
    float left[N];
    if constexpr (N == 4) {
      const float4 four = *reinterpret_cast<const float4*>(weights + position * Cut::WeightStride);
      left[0] = four.x;
      left[1] = four.y;
      left[2] = four.z;
      left[3] = four.w;
    } else {
      const float2 two = *reinterpret_cast<const float2*>(weights + position * Cut::WeightStride);
      left[0] = two.x;
      left[1] = two.y;
    }
#pragma unroll
    for (int c = 0; c < Cut::C; c += 2) {
      const float2 right =
          *reinterpret_cast<const float2*>(walked + position * Cut::Stride + c * kSide);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        sums[i][c] = fmaf(left[i], right.x, sums[i][c]);
        sums[i][c + 1] = fmaf(left[i], right.y, sums[i][c + 1]);
      }
    }
  }
}

/// to[y N + i][column_of(c)] = factors[i] * sums[i][c] for the rows and columns that there are.
template <typename Cut>
__device__ void store_rows(const float (&sums)[Cut::N][Cut::C], const float (&factors)[Cut::N],
                           int count, int size, float* to, std::int64_t stride) {
#pragma unroll
  for (int i = 0; i < Cut::N; ++i) {
    const int row = static_cast<int>(threadIdx.y) * Cut::N + i;
#pragma unroll
    for (int c = 0; c < Cut::C; ++c) {
      const int column = column_of(c);
      if (row < count && column < size) {
        to[row * stride + column] = factors[i] * sums[i][c];
      }
    }
  }
}

}  // namespace stagecraft::cuda
