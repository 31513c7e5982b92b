// Layer normalisation: a row is one warp's, or one block's where it is long.
#include "kernels/ops/norm.h"

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/norm_launch.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/primitives/row_sums.h"

namespace stagecraft::cuda {
namespace {

/// Calls f(Cut) with the first that holds rows of `columns`: what the one before it held is full.
template <typename F>
void with_cut(std::int64_t columns, F&& f) {
  with_first_fitting<LaunchShape<32, 2, 8>, LaunchShape<32, 4, 4, 2>, LaunchShape<32, 6, 4, 4>,
                     LaunchShape<32, 8, 4, 6>, LaunchShape<32, 10, 4, 8>,
                     LaunchShape<32, 13, 4, 10>, LaunchShape<32, 16, 4, 13>,
                     LaunchShape<128, 8, 1, 4>, LaunchShape<512, 8, 1, 2>,
                     LaunchShape<1024, 16, 1, 4>>("layer_norm_forward", columns, f);
}

template <typename T>
struct Forward {
  const T* x;
  const float* gamma;
  const float* beta;  // null: zero
  float epsilon;
  T* y;
  float* mean;
  float* rstd;
  std::int64_t rows;
  int h;
};

/// Those of four elements that lie within the row, of which `left` and more do; beyond it zero.
template <bool Vectorized>
__device__ float4 within(const float4& value, int left) {
  if constexpr (Vectorized) {
    const bool whole = left > 0;
    return {whole ? value.x : 0, whole ? value.y : 0, whole ? value.z : 0, whole ? value.w : 0};
  } else {
    return {left > 0 ? value.x : 0, left > 1 ? value.y : 0, left > 2 ? value.z : 0,
            left > 3 ? value.w : 0};
  }
}

__device__ float sum_of_squares(const float4& v) {
  return fmaf(v.x, v.x, v.y * v.y) + fmaf(v.z, v.z, v.w * v.w);
}

/// A thread's group `g` of a row.
template <typename C, bool Vectorized, typename T>
__device__ Packed<T> load_share(const T* row, int g, int h) {
  return g < C::Full ? load_packed<Vectorized>(row, C::column(g), h)
                     : load_within<Vectorized>(row, C::column(g), h);
}

/// A thread's share of a row. Nothing branches between groups: their loads are under way together.
template <typename C, bool Vectorized, typename T>
struct Row {
  __device__ void load(const T* row, int h) {
#pragma unroll
    for (int g = 0; g < C::Groups; ++g) {
      x[g] = load_share<C, Vectorized>(row, g, h);
    }
  }

  __device__ float total() const {
    float total = 0;
#pragma unroll
    for (int g = 0; g < C::Groups; ++g) {
      total += sum(unpacked<T>(x[g]));
    }
    return total;
  }

  __device__ float squares(float mean, int h) const {
    float squares = 0;
#pragma unroll
    for (int g = 0; g < C::Groups; ++g) {
      const float4 centred = unpacked<T>(x[g]) - mean;
      squares +=
          sum_of_squares(g < C::Full ? centred : within<Vectorized>(centred, h - C::column(g)));
    }
    return squares;
  }

  Packed<T> x[C::Groups];
};

/// n gamma + beta
__device__ float4 scaled(const float4& n, const float4& gamma, const float4& beta) {
  return {fmaf(n.x, gamma.x, beta.x), fmaf(n.y, gamma.y, beta.y), fmaf(n.z, gamma.z, beta.z),
          fmaf(n.w, gamma.w, beta.w)};
}

/// Two groups' weights are read before the first is used.
template <typename C, bool Vectorized, typename T>
__device__ void store_normalised(const Forward<T>& on, const Row<C, Vectorized, T>& row, float mean,
                                 float rstd, T* y) {
  constexpr int kTogether = 2;
#pragma unroll
  for (int first = 0; first < C::Groups; first += kTogether) {
    float4 gamma[kTogether];
    float4 beta[kTogether];
#pragma unroll
    for (int g = first; g < first + kTogether && g < C::Groups; ++g) {
      gamma[g - first] = load_share<C, Vectorized>(on.gamma, g, on.h);
      beta[g - first] =
          on.beta == nullptr ? float4{0, 0, 0, 0} : load_share<C, Vectorized>(on.beta, g, on.h);
    }
#pragma unroll
    for (int g = first; g < first + kTogether && g < C::Groups; ++g) {
      const float4 n = (unpacked<T>(row.x[g]) - mean) * rstd;
      const float4 value = scaled(n, gamma[g - first], beta[g - first]);
      if (g < C::Full || C::column(g) < on.h) {
        store_packed<Vectorized>(y, C::column(g), on.h, value);
      }
    }
  }
}

template <typename C, bool Vectorized, typename T>
__global__ void __launch_bounds__(C::Threads* C::Rows) forward_kernel(Forward<T> on) {
  const std::int64_t number = static_cast<std::int64_t>(blockIdx.x) * C::Rows + threadIdx.y;
  if (number >= on.rows) {
    return;
  }
  const float inverse_h = 1.0F / static_cast<float>(on.h);
  Row<C, Vectorized, T> row;
  row.load(on.x + number * on.h, on.h);
  const float mean = reduce_threads<C::Threads, Plus>(row.total()) * inverse_h;
  const float squares = reduce_threads<C::Threads, Plus>(row.squares(mean, on.h));
  const float rstd = 1.0F / sqrtf(squares * inverse_h + on.epsilon);
  store_normalised(on, row, mean, rstd, on.y + number * on.h);
  if (threadIdx.x == 0) {
    on.mean[number] = mean;
    on.rstd[number] = rstd;
  }
}

float* data_or_null(const Tensor& tensor) {
  return tensor.empty() ? nullptr : tensor.data<float>();
}

}  // namespace

/// Rows of at most 65,536 elements; more throw Error.
void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Forward<T> on = {.x = args.x.data<T>(),
                           .gamma = args.gamma.data<float>(),
                           .beta = data_or_null(args.beta),
                           .epsilon = args.epsilon,
                           .y = args.y.data<T>(),
                           .mean = args.mean.data<float>(),
                           .rstd = args.rstd.data<float>(),
                           .rows = args.x.size(0),
                           .h = static_cast<int>(args.x.size(1))};
    const bool vectorized = is_vectorizable({on.x, on.gamma, on.beta, on.y}, on.h);
    with_cut(args.x.size(1), [&]<typename C>(C) {
      const Grid grid{.blocks = parts_of(on.rows, C::Rows), .threads = dim3(C::Threads, C::Rows)};
      launch(stream, "layer_norm_forward", grid,
             vectorized ? forward_kernel<C, true, T> : forward_kernel<C, false, T>, on);
    });
  });
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  reduce_row_blocks(stream, "layer_norm_backward_weight",
                    {.partial = args.sums.data<float>(),
                     .blocks = args.sums.size(0),
                     .sums = args.sums.size(1),
                     .columns = args.sums.size(2),
                     .outputs = {args.dgamma.data<float>(), data_or_null(args.dbeta)},
                     .accumulate = args.accumulate});
}

}  // namespace stagecraft::cuda
