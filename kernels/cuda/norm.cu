#include "kernels/cuda/norm.h"

#include <array>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/row_sums.cuh"

namespace stagecraft::cuda {
namespace {

constexpr int kRowsOfBlock = 8;  // where a row is one warp's

/// A row on `Threads` threads, `Groups` groups each, held in registers from the first pass on.
template <int Threads_, int Groups_>
struct Cut {
  static constexpr int Threads = Threads_;
  static constexpr int Groups = Groups_;
  static constexpr int Rows = Threads == kWarp ? kRowsOfBlock : 1;
  static constexpr std::int64_t Most = std::int64_t{Threads} * Groups * kGroup;

  __device__ static std::int64_t row() {
    return static_cast<std::int64_t>(blockIdx.x) * Rows + threadIdx.y;
  }
  __device__ static std::int64_t column(int group) {
    return (static_cast<std::int64_t>(group) * Threads + threadIdx.x) * kGroup;
  }
  static Grid grid(std::int64_t rows) {
    return {.blocks = parts_of(rows, Rows), .threads = dim3(Threads, Rows)};
  }
};

/// Calls f(Cut) with the first that holds rows of `columns`.
template <typename F>
void with_cut(std::string_view place, std::int64_t columns, F&& f) {
  const auto fits = [&]<typename C>(C cut) {
    const bool holds = columns <= C::Most;
    if (holds) {
      f(cut);
    }
    return holds;
  };
  const bool found = fits(Cut<32, 2>()) || fits(Cut<32, 4>()) || fits(Cut<32, 6>()) ||
                     fits(Cut<32, 8>()) || fits(Cut<128, 4>()) || fits(Cut<128, 8>()) ||
                     fits(Cut<512, 8>()) || fits(Cut<1024, 16>());
  require(found, place, "rows of {} elements: at most {} are normalised on CUDA", columns,
          Cut<1024, 16>::Most);
}

template <typename T>
struct Forward {
  const T* x;
  const float* gamma;
  const float* beta;
  float epsilon;
  T* y;
  float* mean;
  float* rstd;
  std::int64_t rows;
  std::int64_t h;
};

/// The squares of those of four elements that lie within the row.
__device__ float sum_of_squares_within(const float4& centred, std::int64_t left) {
  return ((left > 0 ? centred.x * centred.x : 0.0F) + (left > 1 ? centred.y * centred.y : 0.0F)) +
         ((left > 2 ? centred.z * centred.z : 0.0F) + (left > 3 ? centred.w * centred.w : 0.0F));
}

template <typename C, bool Wide, typename T>
__global__ void __launch_bounds__(C::Threads* C::Rows) forward_kernel(Forward<T> on) {
  const std::int64_t row = C::row();
  if (row >= on.rows) {
    return;
  }
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  float4 values[C::Groups];
  float total = 0;
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    values[g] = load4<Wide>(on.x + row * on.h, C::column(g), on.h);
    total += sum(values[g]);
  }
  const float mean = join_threads<C::Threads, Plus>(total) * inverse_h;
  float squares = 0;
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    squares += sum_of_squares_within(values[g] - mean, on.h - C::column(g));
  }
  const float rstd = 1.0F / sqrtf(join_threads<C::Threads, Plus>(squares) * inverse_h + on.epsilon);
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    const std::int64_t column = C::column(g);
    if (column < on.h) {
      const float4 y = (values[g] - mean) * rstd * load4<Wide>(on.gamma, column, on.h) +
                       load4<Wide>(on.beta, column, on.h);
      store4<Wide>(on.y + row * on.h, column, on.h, y);
    }
  }
  if (threadIdx.x == 0) {
    on.mean[row] = mean;
    on.rstd[row] = rstd;
  }
}

template <typename T>
struct BackwardInput {
  const T* dy;
  const T* x;
  const float* gamma;
  const float* mean;
  const float* rstd;
  const T* residual;
  T* dx;
  float* sums;
  std::int64_t rows;
  std::int64_t h;
};

/// A thread's columns of one row, between its two passes.
template <typename C>
struct BackwardRow {
  float4 g[C::Groups];  // dy gamma
  float4 n[C::Groups];  // the normalised x
};

/// Reads a row and adds its terms of the weights' gradients, sums[0] += dy n and sums[1] += dy.
/// Beyond the row all are zero.
template <typename C, bool Wide, typename T>
__device__ void read_row(const BackwardInput<T>& on, std::int64_t row, BackwardRow<C>& to,
                         float4 (&sums)[2][C::Groups]) {
  const float rstd = on.rstd[row];
  const float mean = on.mean[row];
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    to.g[i] = load4<Wide>(on.dy + row * on.h, C::column(i), on.h);
    to.n[i] = load4<Wide>(on.x + row * on.h, C::column(i), on.h);
  }
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    to.n[i] = (to.n[i] - mean) * rstd;
    sums[0][i] = sums[0][i] + to.g[i] * to.n[i];
    sums[1][i] = sums[1][i] + to.g[i];
    to.g[i] = to.g[i] * load4<Wide>(on.gamma, C::column(i), on.h);
  }
}

/// dx = rstd (g - avg(g) - n avg(g n)), on top of the residual's gradient.
template <typename C, bool Wide, typename T>
__device__ void write_row(const BackwardInput<T>& on, std::int64_t row,
                          const BackwardRow<C>& from) {
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  const float rstd = on.rstd[row];
  float g_sum = 0;
  float gn_sum = 0;
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    g_sum += sum(from.g[i]);
    gn_sum += sum(from.g[i] * from.n[i]);
  }
  const float g_mean = join_threads<C::Threads, Plus>(g_sum) * inverse_h;
  const float gn_mean = join_threads<C::Threads, Plus>(gn_sum) * inverse_h;
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    const std::int64_t column = C::column(i);
    if (column < on.h) {
      float4 dx = ((from.g[i] - g_mean) + from.n[i] * -gn_mean) * rstd;
      if (on.residual != nullptr) {
        dx = load4<Wide>(on.residual + row * on.h, column, on.h) + dx;
      }
      store4<Wide>(on.dx + row * on.h, column, on.h, dx);
    }
  }
}

/// The sums of the block's threads of one column group, in the order of their rows, go to `to`.
template <typename C>
__device__ void store_sums(const float4 (&sums)[2][C::Groups], std::int64_t h, float* to) {
  __shared__ float4 parts[2][C::Rows][C::Threads];
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    __syncthreads();  // those of the group before may still be read
    parts[0][threadIdx.y][threadIdx.x] = sums[0][i];
    parts[1][threadIdx.y][threadIdx.x] = sums[1][i];
    __syncthreads();
    for (int s = static_cast<int>(threadIdx.y); s < 2; s += C::Rows) {
      float4 total = parts[s][0][threadIdx.x];
      for (int part = 1; part < C::Rows; ++part) {
        total = total + parts[s][part][threadIdx.x];
      }
      store4<false>(to + s * h, C::column(i), h, total);
    }
  }
}

/// A block takes the rows of one partial sum, C::Rows at a time.
template <typename C, bool Wide, typename T>
__global__ void __launch_bounds__(C::Threads* C::Rows) backward_kernel(BackwardInput<T> on) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kNormSumRows;
  const std::int64_t end = first + kNormSumRows < on.rows ? first + kNormSumRows : on.rows;
  float4 sums[2][C::Groups] = {};
  for (std::int64_t row = first + threadIdx.y; row < end; row += C::Rows) {
    BackwardRow<C> values;
    read_row<C, Wide>(on, row, values, sums);
    write_row<C, Wide>(on, row, values);
  }
  store_sums<C>(sums, on.h, on.sums + static_cast<std::int64_t>(blockIdx.x) * 2 * on.h);
}

}  // namespace

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Forward<T> on = {.x = args.x.data<T>(),
                           .gamma = args.gamma.data<float>(),
                           .beta = args.beta.data<float>(),
                           .epsilon = args.epsilon,
                           .y = args.y.data<T>(),
                           .mean = args.mean.data<float>(),
                           .rstd = args.rstd.data<float>(),
                           .rows = args.x.size(0),
                           .h = args.x.size(1)};
    const bool wide = moves_wide({on.x, on.gamma, on.beta, on.y}, on.h);
    with_cut("layer_norm_forward", on.h, [&]<typename C>(C) {
      launch(stream, "layer_norm_forward", C::grid(on.rows),
             wide ? forward_kernel<C, true, T> : forward_kernel<C, false, T>, on);
    });
  });
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const BackwardInput<T> on = {.dy = args.dy.data<T>(),
                                 .x = args.x.data<T>(),
                                 .gamma = args.gamma.data<float>(),
                                 .mean = args.mean.data<float>(),
                                 .rstd = args.rstd.data<float>(),
                                 .residual = data_or_null<T>(args.residual_gradient),
                                 .dx = args.dx.data<T>(),
                                 .sums = args.sums.data<float>(),
                                 .rows = args.x.size(0),
                                 .h = args.x.size(1)};
    const bool wide = moves_wide({on.dy, on.x, on.gamma, on.residual, on.dx}, on.h);
    with_cut("layer_norm_backward_input", on.h, [&]<typename C>(C) {
      launch(stream, "layer_norm_backward_input",
             {.blocks = parts_of(on.rows, kNormSumRows), .threads = dim3(C::Threads, C::Rows)},
             wide ? backward_kernel<C, true, T> : backward_kernel<C, false, T>, on);
    });
  });
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  const std::int64_t h = args.sums.size(2);
  const std::array<const Tensor*, 2> outputs = {&args.dgamma, &args.dbeta};
  for (int s = 0; s < 2; ++s) {
    join_row_blocks(stream, "layer_norm_backward_weight",
                    {.partial = args.sums.data<float>() + s * h,
                     .blocks = args.sums.size(0),
                     .width = 2 * h,
                     .columns = h,
                     .out = outputs[s]->data<float>(),
                     .accumulate = args.accumulate});
  }
}

}  // namespace stagecraft::cuda
