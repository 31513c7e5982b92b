// y = f(x, ..) element by element, of flat arrays that hold one type.
#pragma once

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {

/// f(a) or f(a, b) of four elements.
template <typename F>
__device__ float4 by_element(const float4 (&x)[1]) {
  return {F()(x[0].x), F()(x[0].y), F()(x[0].z), F()(x[0].w)};
}
template <typename F>
__device__ float4 by_element(const float4 (&x)[2]) {
  return {F()(x[0].x, x[1].x), F()(x[0].y, x[1].y), F()(x[0].z, x[1].z), F()(x[0].w, x[1].w)};
}

template <typename T, int Inputs>
struct Mapped {
  const T* x[Inputs];
  T* y;
  std::int64_t count;
};

/// Groups of a thread, all of which are read before the first is computed.
inline constexpr int kMappedGroups = 2;

template <bool Vectorized, typename F, typename T, int Inputs>
__global__ void map_groups_kernel(Mapped<T, Inputs> on) {
  const std::int64_t stride = blockDim.x * kGroup;
  const std::int64_t first = blockIdx.x * kMappedGroups * stride + threadIdx.x * kGroup;
  Packed<T> packed[kMappedGroups][Inputs];
#pragma unroll
  for (int g = 0; g < kMappedGroups; ++g) {
    const std::int64_t at = first + g * stride;
#pragma unroll
    for (int i = 0; i < Inputs; ++i) {
      packed[g][i] = at < on.count ? load_packed<Vectorized>(on.x[i], at, on.count) : Packed<T>{};
    }
  }
#pragma unroll
  for (int g = 0; g < kMappedGroups; ++g) {
    const std::int64_t at = first + g * stride;
    float4 x[Inputs];
#pragma unroll
    for (int i = 0; i < Inputs; ++i) {
      x[i] = unpacked<T>(packed[g][i]);
    }
    if (at < on.count) {
      store_packed<Vectorized>(on.y, at, on.count, by_element<F>(x));
    }
  }
}

/// `wide` as is_vectorizable() says of arrays of `count`. How they lie changes no bit.
template <typename F, typename T, int Inputs>
void map_groups(Stream& stream, std::string_view where, bool vectorized,
                const Mapped<T, Inputs>& on) {
  constexpr unsigned kThreads = 256;
  const Grid grid{.blocks = parts_of(on.count, kThreads * kGroup * kMappedGroups),
                  .threads = kThreads};
  launch(
      stream, where, grid,
      vectorized ? map_groups_kernel<true, F, T, Inputs> : map_groups_kernel<false, F, T, Inputs>,
      on);
}

}  // namespace stagecraft::cuda
