// What the passes of attention share: tiles in shared memory, the walk over them, and the two kinds
// of products between them.
//
// A block is X x Y threads. It owns a tile of Y * R rows and walks over tiles of X * W rows. Thread
// (x, y) computes rows y * R .. y * R + R - 1 of its own tile against rows x * W .. x * W + W - 1
// of the other. In shared memory a tile is interleaved: position x + X * j holds row x * W + j, and
// the same with Y and R, so that neighbouring threads read neighbouring positions, which a stride
// of four floats more than a multiple of 32 puts into different banks.
#pragma once

#include "kernels/cuda/primitives/attention_keys.cuh"
#include "kernels/cuda/primitives/groups.cuh"

namespace stagecraft::cuda {

/// C columns of a head a thread, so heads of up to X * C numbers. R, W and C bound what a thread
/// holds in registers; the rest is the shared memory of a block.
template <int X_, int Y_, int R_, int W_, int C_>
struct TileShape {
  static constexpr int X = X_;
  static constexpr int Y = Y_;
  static constexpr int R = R_;
  static constexpr int W = W_;
  static constexpr int C = C_;
  static constexpr int Threads = X * Y;
  static constexpr int OwnRows = Y * R;
  static constexpr int WalkedRows = X * W;
  static constexpr int Width = X * C;
  static constexpr int Stride = Width + 4;
  static constexpr int OwnFloats = OwnRows * Stride;
  static constexpr int WalkedFloats = WalkedRows * Stride;
  static constexpr int WeightStride = OwnRows + 4;
  static constexpr int WeightFloats = WalkedRows * WeightStride;
  static_assert(Width % 32 == 0 && C % 4 == 0);

  /// What `own` tiles, `walked` tiles and the weights between them take.
  static constexpr std::size_t shared_bytes(int own, int walked) {
    return sizeof(float) *
           static_cast<std::size_t>(own * OwnFloats + walked * WalkedFloats + WeightFloats);
  }
};

/// tile[position of row] = factor * row, filled up with zeros; Lanes x Each rows, interleaved.
template <typename Tile, int Lanes, int Each, typename T>
__device__ void load_tile(const Rows<const T>& rows, float factor, float* tile) {
  constexpr int kGroups = Tile::Width / 4;
  const int thread = static_cast<int>(threadIdx.y * Tile::X + threadIdx.x);
#pragma unroll 4
  for (int i = thread; i < Lanes * Each * kGroups; i += Tile::Threads) {
    const int position = i / kGroups;
    const int column = i % kGroups * 4;
    const int row = position % Lanes * Each + position / Lanes;
    float4 value = {0, 0, 0, 0};
    if (row < rows.count && column < rows.size) {
      const T* const from = rows.first + row * rows.stride;
      value = rows.vectorized ? load4<true>(from, column, rows.size)
                              : load4<false>(from, column, rows.size);
    }
    *reinterpret_cast<float4*>(tile + position * Tile::Stride + column) = value * factor;
  }
}

template <typename Tile, typename T>
__device__ void load_own(const Rows<const T>& rows, float factor, float* tile) {
  load_tile<Tile, Tile::Y, Tile::R>(rows, factor, tile);
}

template <typename Tile, typename T>
__device__ void load_walked(const Rows<const T>& rows, float factor, float* tile) {
  load_tile<Tile, Tile::X, Tile::W>(rows, factor, tile);
}

/// Walks over rows, a tile at a time: load(row, count) fills the walked tiles, those beyond
/// `sequence` left out; use(row) computes with them from the thread's first row on.
template <typename Tile, typename Load, typename Use>
__device__ void walk_tiles(const Walk& walk, int sequence, Load&& load, Use&& use) {
  for (int row = walk.begin; row < walk.end; row += Tile::WalkedRows) {
    __syncthreads();  // the tiles may still be read
    load(row, min(Tile::WalkedRows, sequence - row));
    __syncthreads();
    use(row + static_cast<int>(threadIdx.x) * Tile::W);
  }
}

/// products[i][j] = own row y R + i . walked row x W + j, over `size` columns.
template <typename Tile>
__device__ void multiply_rows(const float* own, const float* walked, int size,
                              float (&products)[Tile::R][Tile::W]) {
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      products[i][j] = 0;
    }
  }
  own += threadIdx.y * Tile::Stride;
  walked += threadIdx.x * Tile::Stride;
#pragma unroll 1
  for (int column = 0; column < size; column += 4) {
    float4 right[Tile::W];
#pragma unroll
    for (int j = 0; j < Tile::W; ++j) {
      right[j] = *reinterpret_cast<const float4*>(walked + j * Tile::X * Tile::Stride + column);
    }
#pragma unroll
    for (int i = 0; i < Tile::R; ++i) {
      const float4 left =
          *reinterpret_cast<const float4*>(own + i * Tile::Y * Tile::Stride + column);
#pragma unroll
      for (int j = 0; j < Tile::W; ++j) {
        float sum = fmaf(left.x, right[j].x, products[i][j]);
        sum = fmaf(left.y, right[j].y, sum);
        sum = fmaf(left.z, right[j].z, sum);
        products[i][j] = fmaf(left.w, right[j].w, sum);
      }
    }
  }
}

/// Puts weights[i][j] of own row y R + i and walked position x + X j where add_weighted() finds
/// them. Only threads of one y, which are of one warp, exchange them.
template <typename Tile>
__device__ void share_weights(const float (&weights)[Tile::R][Tile::W], float* shared) {
  __syncwarp();  // what was shared before may still be read
#pragma unroll
  for (int j = 0; j < Tile::W; ++j) {
    float* const to =
        shared + (threadIdx.x + Tile::X * j) * Tile::WeightStride + threadIdx.y * Tile::R;
    if constexpr (Tile::R % 4 == 0) {
#pragma unroll
      for (int i = 0; i < Tile::R; i += 4) {
        *reinterpret_cast<float4*>(to + i) = {weights[i][j], weights[i + 1][j], weights[i + 2][j],
                                              weights[i + 3][j]};
      }
    } else {
#pragma unroll
      for (int i = 0; i < Tile::R; i += 2) {
        *reinterpret_cast<float2*>(to + i) = {weights[i][j], weights[i + 1][j]};
      }
    }
  }
  __syncwarp();
}

template <int Count>
__device__ void load_weights(const float* from, float (&weights)[Count]) {
  if constexpr (Count % 4 == 0) {
#pragma unroll
    for (int i = 0; i < Count; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i);
      weights[i] = four.x;
      weights[i + 1] = four.y;
      weights[i + 2] = four.z;
      weights[i + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < Count; i += 2) {
      const float2 two = *reinterpret_cast<const float2*>(from + i);
      weights[i] = two.x;
      weights[i + 1] = two.y;
    }
  }
}

/// The column of the head that is the thread's number c: groups of four, X groups apart.
template <typename Tile>
__device__ int column_of(int c) {
  return static_cast<int>(threadIdx.x) * 4 + c / 4 * 4 * Tile::X + c % 4;
}

/// sums[i][c] += sum over walked positions, in their order, of the weight of own row y R + i there
/// times the walked row's number column_of(c).
template <typename Tile>
__device__ void add_weighted(const float* weights, const float* walked,
                             float (&sums)[Tile::R][Tile::C]) {
  weights += threadIdx.y * Tile::R;
  walked += threadIdx.x * 4;
#pragma unroll 2
  for (int position = 0; position < Tile::WalkedRows; ++position) {
    float left[Tile::R];
    load_weights(weights + position * Tile::WeightStride, left);
#pragma unroll
    for (int c = 0; c < Tile::C; c += 4) {
      const float4 right =
          *reinterpret_cast<const float4*>(walked + position * Tile::Stride + c * Tile::X);
#pragma unroll
      for (int i = 0; i < Tile::R; ++i) {
        sums[i][c] = fmaf(left[i], right.x, sums[i][c]);
        sums[i][c + 1] = fmaf(left[i], right.y, sums[i][c + 1]);
        sums[i][c + 2] = fmaf(left[i], right.z, sums[i][c + 2]);
        sums[i][c + 3] = fmaf(left[i], right.w, sums[i][c + 3]);
      }
    }
  }
}

/// sums += the weights of a walked tile times its rows; `shared` carries the weights.
template <typename Tile>
__device__ void accumulate(const float (&weights)[Tile::R][Tile::W], float* shared,
                           const float* walked, float (&sums)[Tile::R][Tile::C]) {
  share_weights<Tile>(weights, shared);
  add_weighted<Tile>(shared, walked, sums);
}

/// Row y R + i of `to` becomes factors[i] * sums[i].
template <typename Tile, typename T>
__device__ void store_rows(const float (&sums)[Tile::R][Tile::C], const float (&factors)[Tile::R],
                           const Rows<T>& to) {
#pragma unroll
  for (int i = 0; i < Tile::R; ++i) {
    const int row = static_cast<int>(threadIdx.y) * Tile::R + i;
#pragma unroll
    for (int c = 0; c < Tile::C; c += 4) {
      const int column = column_of<Tile>(c);
      const float4 value =
          float4{sums[i][c], sums[i][c + 1], sums[i][c + 2], sums[i][c + 3]} * factors[i];
      if (row < to.count && column < to.size) {
        if (to.vectorized) {
          store4<true>(to.first + row * to.stride, column, to.size, value);
        } else {
          store4<false>(to.first + row * to.stride, column, to.size, value);
        }
      }
    }
  }
}

template <typename Tile, typename T>
__device__ void store_rows(const float (&sums)[Tile::R][Tile::C], float factor, const Rows<T>& to) {
  float factors[Tile::R];
#pragma unroll
  for (float& each : factors) {
    each = factor;
  }
  store_rows<Tile>(sums, factors, to);
}

}  // namespace stagecraft::cuda
