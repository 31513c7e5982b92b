#include "kernels/cuda/norm.h"

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/norm_cut.cuh"
#include "kernels/cuda/row_sums.h"

namespace stagecraft::cuda {
namespace {

/// Calls f(Cut) with the first that holds rows of `columns`.
template <typename F>
void with_cut(std::int64_t columns, F&& f) {
  with_first_cut<Cut<32, 2, 8>, Cut<32, 4, 8>, Cut<32, 6, 8>, Cut<32, 8, 8>, Cut<32, 13, 8>,
                 Cut<32, 16, 8>, Cut<128, 8, 1>, Cut<512, 8, 1>, Cut<1024, 16, 1>>(
      "layer_norm_forward", columns, f);
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
  int h;
};

/// The squares of those of four elements that lie within the row; `left` of them and more do.
template <bool Wide>
__device__ float sum_of_squares_within(const float4& centred, int left) {
  if constexpr (Wide) {
    return left > 0 ? sum(centred * centred) : 0.0F;
  } else {
    return ((left > 0 ? centred.x * centred.x : 0.0F) + (left > 1 ? centred.y * centred.y : 0.0F)) +
           ((left > 2 ? centred.z * centred.z : 0.0F) + (left > 3 ? centred.w * centred.w : 0.0F));
  }
}

template <typename C, bool Wide, typename T>
__global__ void __launch_bounds__(C::Threads* C::Rows) forward_kernel(Forward<T> on) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * C::Rows + threadIdx.y;
  if (row >= on.rows) {
    return;
  }
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  Packed<T> x[C::Groups];
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    x[g] = load_within<Wide>(on.x + row * on.h, C::column(g), on.h);
  }
  float total = 0;
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    total += sum(unpacked<T>(x[g]));
  }
  const float mean = join_threads<C::Threads, Plus>(total) * inverse_h;
  float squares = 0;
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    squares += sum_of_squares_within<Wide>(unpacked<T>(x[g]) - mean, on.h - C::column(g));
  }
  const float rstd = 1.0F / sqrtf(join_threads<C::Threads, Plus>(squares) * inverse_h + on.epsilon);
#pragma unroll
  for (int g = 0; g < C::Groups; ++g) {
    const int column = C::column(g);
    const float4 gamma = load_within<Wide>(on.gamma, column, on.h);
    const float4 beta = load_within<Wide>(on.beta, column, on.h);
    if (column < on.h) {
      store_packed<Wide>(on.y + row * on.h, column, on.h,
                         (unpacked<T>(x[g]) - mean) * rstd * gamma + beta);
    }
  }
  if (threadIdx.x == 0) {
    on.mean[row] = mean;
    on.rstd[row] = rstd;
  }
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
                           .h = static_cast<int>(args.x.size(1))};
    const bool wide = moves_wide({on.x, on.gamma, on.beta, on.y}, on.h);
    with_cut(args.x.size(1), [&]<typename C>(C) {
      const Grid grid{.blocks = parts_of(on.rows, C::Rows), .threads = dim3(C::Threads, C::Rows)};
      launch(stream, "layer_norm_forward", grid,
             wide ? forward_kernel<C, true, T> : forward_kernel<C, false, T>, on);
    });
  });
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  join_row_blocks(stream, "layer_norm_backward_weight",
                  {.partial = args.sums.data<float>(),
                   .blocks = args.sums.size(0),
                   .columns = args.sums.size(2),
                   .outputs = {args.dgamma.data<float>(), args.dbeta.data<float>()},
                   .accumulate = args.accumulate});
}

}  // namespace stagecraft::cuda
