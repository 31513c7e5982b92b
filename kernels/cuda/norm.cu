#include "kernels/cuda/norm.h"

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

struct Forward {
  const float* x;
  const float* gamma;
  const float* beta;
  float epsilon;
  float* y;
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

template <typename C, bool Wide>
__global__ void __launch_bounds__(C::Threads* C::Rows) forward_kernel(Forward on) {
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

struct BackwardInput {
  const float* dy;
  const float* x;
  const float* gamma;
  const float* mean;
  const float* rstd;
  const float* residual;
  float* dx;
  std::int64_t rows;
  std::int64_t h;
};

/// dx = rstd (g - avg(g) - n avg(g n)) with g = dy gamma and n the normalised x. Beyond the row g
/// is zero, and so is what it adds to the averages.
template <typename C, bool Wide>
__global__ void __launch_bounds__(C::Threads* C::Rows) backward_input_kernel(BackwardInput on) {
  const std::int64_t row = C::row();
  if (row >= on.rows) {
    return;
  }
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  const float rstd = on.rstd[row];
  const float mean = on.mean[row];
  float4 g[C::Groups];
  float4 n[C::Groups];
  float4 residual[C::Groups] = {};
  float g_sum = 0;
  float gn_sum = 0;
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    const std::int64_t column = C::column(i);
    g[i] = load4<Wide>(on.dy + row * on.h, column, on.h) * load4<Wide>(on.gamma, column, on.h);
    n[i] = (load4<Wide>(on.x + row * on.h, column, on.h) - mean) * rstd;
    if (on.residual != nullptr) {
      residual[i] = load4<Wide>(on.residual + row * on.h, column, on.h);
    }
    g_sum += sum(g[i]);
    gn_sum += sum(g[i] * n[i]);
  }
  const float g_mean = join_threads<C::Threads, Plus>(g_sum) * inverse_h;
  const float gn_mean = join_threads<C::Threads, Plus>(gn_sum) * inverse_h;
#pragma unroll
  for (int i = 0; i < C::Groups; ++i) {
    const std::int64_t column = C::column(i);
    if (column < on.h) {
      const float4 dx = ((g[i] - g_mean) + n[i] * -gn_mean) * rstd;
      store4<Wide>(on.dx + row * on.h, column, on.h, residual[i] + dx);
    }
  }
}

/// sums[0] += dy n, sums[1] += dy.
struct WeightTerms {
  const float* dy;
  const float* x;
  const float* mean;
  const float* rstd;
  template <bool Wide>
  __device__ void add(std::int64_t row, std::int64_t column, std::int64_t columns,
                      float4 (&sums)[2]) const {
    const float4 up = load4<Wide>(dy + row * columns, column, columns);
    const float4 value = load4<Wide>(x + row * columns, column, columns);
    sums[0] = sums[0] + up * ((value - mean[row]) * rstd[row]);
    sums[1] = sums[1] + up;
  }
};

}  // namespace

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  const Forward on = {.x = args.x.data<float>(),
                      .gamma = args.gamma.data<float>(),
                      .beta = args.beta.data<float>(),
                      .epsilon = args.epsilon,
                      .y = args.y.data<float>(),
                      .mean = args.mean.data<float>(),
                      .rstd = args.rstd.data<float>(),
                      .rows = args.x.size(0),
                      .h = args.x.size(1)};
  const bool wide = moves_wide({on.x, on.gamma, on.beta, on.y}, on.h);
  with_cut("layer_norm_forward", on.h, [&]<typename C>(C) {
    launch(stream, "layer_norm_forward", C::grid(on.rows),
           wide ? forward_kernel<C, true> : forward_kernel<C, false>, on);
  });
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  const BackwardInput on = {.dy = args.dy.data<float>(),
                            .x = args.x.data<float>(),
                            .gamma = args.gamma.data<float>(),
                            .mean = args.mean.data<float>(),
                            .rstd = args.rstd.data<float>(),
                            .residual = data_or_null(args.residual_gradient),
                            .dx = args.dx.data<float>(),
                            .rows = args.x.size(0),
                            .h = args.x.size(1)};
  const bool wide = moves_wide({on.dy, on.x, on.gamma, on.residual, on.dx}, on.h);
  with_cut("layer_norm_backward_input", on.h, [&]<typename C>(C) {
    launch(stream, "layer_norm_backward_input", C::grid(on.rows),
           wide ? backward_input_kernel<C, true> : backward_input_kernel<C, false>, on);
  });
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  const WeightTerms terms = {args.dy.data<float>(), args.x.data<float>(), args.mean.data<float>(),
                             args.rstd.data<float>()};
  sum_rows<2>(stream, "layer_norm_backward_weight", terms,
              {.rows = args.x.size(0),
               .columns = args.x.size(1),
               .wide = moves_wide({terms.dy, terms.x}, args.x.size(1)),
               .outputs = {args.dgamma.data<float>(), args.dbeta.data<float>()},
               .accumulate = args.accumulate});
}

}  // namespace stagecraft::cuda
