// One thread for groups of four elements of flat arrays.
#pragma once

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {

/// Each thread has F::kGroups groups. It loads all of them before it stores the first, so that the
/// loads are under way together.
template <bool Vectorized, typename F>
__global__ void for_each_group_kernel(std::int64_t count, F f) {
  const std::int64_t stride = blockDim.x * kGroup;
  const std::int64_t first = blockIdx.x * F::kGroups * stride + threadIdx.x * kGroup;
  typename F::Loaded loaded[F::kGroups];
#pragma unroll
  for (int g = 0; g < F::kGroups; ++g) {
    const std::int64_t at = first + g * stride;
    if (at < count) {
      loaded[g] = f.template load<Vectorized>(at, count);
    }
  }
#pragma unroll
  for (int g = 0; g < F::kGroups; ++g) {
    const std::int64_t at = first + g * stride;
    if (at < count) {
      f.template store<Vectorized>(at, count, loaded[g]);
    }
  }
}

/// For at = 0, 4, .. below count: f.store<V>(at, count, f.load<V>(at, count)). F has a type Loaded
/// and a number kGroups. `vectorized` as is_vectorizable() says. Element by element: how arrays lie
/// changes no bit.
template <typename F>
void for_each_group(Stream& stream, std::string_view where, std::int64_t count, bool vectorized,
                    const F& f) {
  constexpr unsigned kThreads = 256;
  const Grid grid{.blocks = parts_of(count, kThreads * kGroup * F::kGroups), .threads = kThreads};
  launch(stream, where, grid,
         vectorized ? for_each_group_kernel<true, F> : for_each_group_kernel<false, F>, count, f);
}

}  // namespace stagecraft::cuda
