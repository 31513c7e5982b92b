// Both gradients of a norm in one pass over its rows.
#include <algorithm>

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/norm_launch.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/ops/norm.h"

namespace stagecraft::cuda {
namespace {

/// A row and the sums of the weights' gradients lie in registers.
template <typename F>
void with_cut(std::int64_t columns, F&& f) {
  with_first_fitting<LaunchShape<32, 2, 8>, LaunchShape<32, 4, 8>, LaunchShape<32, 6, 8>,
                     LaunchShape<32, 8, 8>, LaunchShape<64, 7, 4>, LaunchShape<128, 4, 3>,
                     LaunchShape<128, 8, 2>, LaunchShape<512, 8, 1>, LaunchShape<1024, 16, 1>>(
      "layer_norm_backward_input", columns, f);
}

template <typename T>
struct Backward {
  const T* dy;
  const T* x;
  const float* gamma;
  const float* mean;
  const float* rstd;
  const T* residual;
  T* dx;
  float* sums;
  std::int64_t rows;
  int h;
};

/// Of the threads of a row; every one gets both sums. Where those are several warps all of the
/// block call. `turn` alternates from call to call, so that what one call reads the next does not
/// write.
template <typename C>
__device__ float2 reduce_row(float2 value, int turn) {
  value = {reduce_lanes<kWarp, Plus>(value.x), reduce_lanes<kWarp, Plus>(value.y)};
  if constexpr (C::Threads > kWarp) {
    constexpr int kWarps = C::Threads / kWarp;
    __shared__ float2 parts[2][C::Rows][kWarps];
    float2* const mine = parts[turn][threadIdx.y];
    if (threadIdx.x % kWarp == 0) {
      mine[threadIdx.x / kWarp] = value;
    }
    __syncthreads();
    value = mine[0];
    for (int warp = 1; warp < kWarps; ++warp) {
      value = {value.x + mine[warp].x, value.y + mine[warp].y};
    }
  }
  return value;
}

/// A thread's columns of one row as they lie in memory.
template <typename C, bool Vectorized, typename T>
struct LoadedRow {
  /// Registers of a group, of one row and of the sums.
  static constexpr int kRegisters = 3 * sizeof(Packed<T>) / sizeof(float);
  static constexpr int kSums = 2 * kGroup;
  /// Registers that rows and sums may take together, of those that a thread has.
  static constexpr int kMax = std::min(255, 65536 / (C::Threads * C::Rows)) - 70;
  /// Whether the residual's gradient is under way with the rest, or read where it is added; and
  /// whether the next row is while one is computed.
  static constexpr bool kWhole = C::Groups * (kRegisters + kSums) <= kMax;
  static constexpr bool kAhead = C::Groups * (2 * kRegisters + kSums) <= kMax;

  __device__ void load(const Backward<T>& on, std::int64_t row) {
    const std::int64_t at = row * on.h;
#pragma unroll
    for (int i = 0; i < C::Groups; ++i) {
      dy[i] = load_within<Vectorized>(on.dy + at, C::column(i), on.h);
      x[i] = load_within<Vectorized>(on.x + at, C::column(i), on.h);
    }
    mean = on.mean[row];
    rstd = on.rstd[row];
    if (kWhole && on.residual != nullptr) {
#pragma unroll
      for (int i = 0; i < C::Groups; ++i) {
        residual[i] = load_within<Vectorized>(on.residual + at, C::column(i), on.h);
      }
    }
  }

  __device__ Packed<T> residual_of(const Backward<T>& on, std::int64_t row, int group) const {
    if constexpr (kWhole) {
      return residual[group];
    } else {
      return load_within<Vectorized>(on.residual + row * on.h, C::column(group), on.h);
    }
  }

  Packed<T> dy[C::Groups];
  Packed<T> x[C::Groups];
  Packed<T> residual[kWhole ? C::Groups : 1];
  float mean;
  float rstd;
};

/// a b + c
__device__ float4 multiply_add(const float4& a, const float4& b, const float4& c) {
  return {fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w)};
}
__device__ float4 multiply_add(const float4& a, float b, const float4& c) {
  return multiply_add(a, float4{b, b, b, b}, c);
}

/// With g = dy gamma and n the normalised x: sums[0] += dy n and sums[1] += dy. Returns this
/// thread's part of the sums of g and of g n.
template <typename C, bool Vectorized, typename T>
__device__ float2 add_row(const Backward<T>& on, const LoadedRow<C, Vectorized, T>& loaded,
                          float4 (&sums)[2][C::Groups]) {
  float4 g_sum = {0, 0, 0, 0};
  float4 gn_sum = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    const float4 dy = unpacked<T>(loaded.dy[i]);
    const float4 n = (unpacked<T>(loaded.x[i]) - loaded.mean) * loaded.rstd;
    const float4 g = dy * load_within<Vectorized>(on.gamma, C::column(i), on.h);
    sums[0][i] = multiply_add(dy, n, sums[0][i]);
    sums[1][i] = sums[1][i] + dy;
    g_sum = g_sum + g;
    gn_sum = multiply_add(g, n, gn_sum);
  }
  return {sum(g_sum), sum(gn_sum)};
}

/// dx = rstd (g - avg(g) - n avg(g n)), on top of the residual's gradient; `total` are the row's
/// sums of g and of g n.
template <typename C, bool Vectorized, typename T>
__device__ void store_gradient(const Backward<T>& on, std::int64_t row,
                               const LoadedRow<C, Vectorized, T>& loaded, const float2& total) {
  const float rstd = loaded.rstd;
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  const float g_mean = total.x * inverse_h;
  const float gn_mean = total.y * inverse_h;
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    const int column = C::column(i);
    const float4 n = (unpacked<T>(loaded.x[i]) - loaded.mean) * rstd;
    const float4 g = unpacked<T>(loaded.dy[i]) * load_within<Vectorized>(on.gamma, column, on.h);
    float4 dx = multiply_add(n, -gn_mean, g - g_mean) * rstd;
    if (on.residual != nullptr) {
      dx = unpacked<T>(loaded.residual_of(on, row, i)) + dx;
    }
    if (column < on.h) {
      store_packed<Vectorized>(on.dx + row * on.h, column, on.h, dx);
    }
  }
}

/// A column group's sums of the block's threads, added up over their rows in order: those of gamma
/// by the threads of row 0, those of beta by row 1. `turn` alternates from call to call, so that
/// what one call reads the next does not write.
template <typename C, bool Vectorized>
__device__ void store_group_sums(const float4 (&sums)[2], int turn, int column, int h, float* to) {
  __shared__ float4 parts[2][2][C::Rows][C::Threads];
  auto& mine = parts[turn];
  mine[0][threadIdx.y][threadIdx.x] = sums[0];
  mine[1][threadIdx.y][threadIdx.x] = sums[1];
  __syncthreads();
  if (threadIdx.y < 2) {
    float4 total = mine[threadIdx.y][0][threadIdx.x];
#pragma unroll
    for (int part = 1; part < C::Rows; ++part) {
      total = total + mine[threadIdx.y][part][threadIdx.x];
    }
    store4<Vectorized>(to + threadIdx.y * h, column, h, total);
  }
}

/// The sums of a block go to `to`. A block of one row at a time has them in its threads.
template <typename C, bool Vectorized>
__device__ void store_sums(const float4 (&sums)[2][C::Groups], int h, float* to) {
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    if constexpr (C::Rows == 1) {
      store4<Vectorized>(to, C::column(i), h, sums[0][i]);
      store4<Vectorized>(to + h, C::column(i), h, sums[1][i]);
    } else {
      store_group_sums<C, Vectorized>({sums[0][i], sums[1][i]}, i % 2, C::column(i), h, to);
    }
  }
}

/// One row of each of the block's C::Rows; beyond the last row there is only the exchange.
template <typename C, bool Vectorized, typename T>
__device__ void backward_row(const Backward<T>& on, std::int64_t row, std::int64_t end, int turn,
                             const LoadedRow<C, Vectorized, T>& loaded,
                             float4 (&sums)[2][C::Groups]) {
  const bool is_row = row < end;
  const float2 part = is_row ? add_row(on, loaded, sums) : float2{0, 0};
  const float2 total = reduce_row<C>(part, turn);
  if (is_row) {
    store_gradient(on, row, loaded, total);
  }
}

/// A block takes the rows of one partial sum, C::Rows at a time.
template <typename C, bool Vectorized, typename T>
__global__ void __launch_bounds__(C::Threads* C::Rows) backward_kernel(Backward<T> on) {
  using Row = LoadedRow<C, Vectorized, T>;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kNormSumRows;
  const std::int64_t end = first + kNormSumRows < on.rows ? first + kNormSumRows : on.rows;
  float4 sums[2][C::Groups] = {};
  int turn = 0;
  Row loaded;
  if (Row::kAhead && first + threadIdx.y < end) {
    loaded.load(on, first + threadIdx.y);
  }
  for (std::int64_t rows = first; rows < end; rows += C::Rows) {
    const std::int64_t row = rows + threadIdx.y;
    if constexpr (Row::kAhead) {
      const Row current = loaded;
      if (row + C::Rows < end) {
        loaded.load(on, row + C::Rows);
      }
      backward_row(on, row, end, turn, current, sums);
    } else {
      if (row < end) {
        loaded.load(on, row);
      }
      backward_row(on, row, end, turn, loaded, sums);
    }
    turn = 1 - turn;
  }
  store_sums<C, Vectorized>(sums, on.h, on.sums + static_cast<std::int64_t>(blockIdx.x) * 2 * on.h);
}

}  // namespace

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Backward<T> on = {.dy = args.dy.data<T>(),
                            .x = args.x.data<T>(),
                            .gamma = args.gamma.data<float>(),
                            .mean = args.mean.data<float>(),
                            .rstd = args.rstd.data<float>(),
                            .residual = data_or_null<T>(args.residual_gradient),
                            .dx = args.dx.data<T>(),
                            .sums = args.sums.data<float>(),
                            .rows = args.x.size(0),
                            .h = static_cast<int>(args.x.size(1))};
    const bool vectorized =
        is_vectorizable({on.dy, on.x, on.gamma, on.residual, on.dx, on.sums}, on.h);
    with_cut(args.x.size(1), [&]<typename C>(C) {
      const Grid grid{.blocks = parts_of(on.rows, kNormSumRows),
                      .threads = dim3(C::Threads, C::Rows)};
      launch(stream, "layer_norm_backward_input", grid,
             vectorized ? backward_kernel<C, true, T> : backward_kernel<C, false, T>, on);
    });
  });
}

}  // namespace stagecraft::cuda
