// One thread for each group of four elements of flat arrays.
#pragma once

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {

template <bool Vectorized, typename F>
__global__ void for_each_group_kernel(std::int64_t count, F f) {
  const std::int64_t at =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kGroup;
  if (at < count) {
    f.template apply<Vectorized>(at, count);
  }
}

/// f.apply<Wide>(at, count) for at = 0, 4, .. below count; `wide` as is_vectorizable() says.
/// Element by element: how arrays lie changes no bit.
template <typename F>
void for_each_group(Stream& stream, std::string_view where, std::int64_t count, bool vectorized,
                    const F& f) {
  constexpr unsigned kThreads = 256;
  const Grid grid{.blocks = parts_of(count, kThreads * kGroup), .threads = kThreads};
  launch(stream, where, grid,
         vectorized ? for_each_group_kernel<true, F> : for_each_group_kernel<false, F>, count, f);
}

}  // namespace stagecraft::cuda
