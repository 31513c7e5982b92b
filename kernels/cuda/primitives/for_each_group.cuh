// One thread for each group of four elements of flat arrays.
#pragma once

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {

template <bool Wide, typename F>
__global__ void for_each_group_kernel(std::int64_t count, F f) {
  const std::int64_t at =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kGroup;
  if (at < count) {
    f.template apply<Wide>(at, count);
  }
}

/// f.apply<Wide>(at, count) for at = 0, 4, .. below count; `wide` as moves_wide() says. Element by
/// element: how arrays lie changes no bit.
template <typename F>
void for_each_group(Stream& stream, std::string_view place, std::int64_t count, bool wide,
                    const F& f) {
  constexpr unsigned kThreads = 256;
  const Grid grid{.blocks = parts_of(count, kThreads * kGroup), .threads = kThreads};
  launch(stream, place, grid,
         wide ? for_each_group_kernel<true, F> : for_each_group_kernel<false, F>, count, f);
}

}  // namespace stagecraft::cuda
