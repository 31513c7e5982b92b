// Reducing one number per thread to one per warp or block, in an order that is always the same:
// neighbours within a warp by a butterfly, then warps in ascending order.
#pragma once

namespace stagecraft::cuda {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;

struct Plus {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};

/// Over `Lanes` neighbouring lanes; every lane gets the result.
template <int Lanes, typename Combine, typename T>
__device__ T reduce_lanes(T value, Combine combine = {}) {
#pragma unroll
  for (int distance = Lanes / 2; distance >= 1; distance /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

/// Over the `Threads` threads in x; every one gets the result. More than a warp: the block has no
/// other dimension and all of it calls.
template <int Threads, typename Combine, typename T>
__device__ T reduce_threads(T value, Combine combine = {}) {
  value = reduce_lanes<kWarp>(value, combine);
  if constexpr (Threads > kWarp) {
    __shared__ T parts[Threads / kWarp];
    __syncthreads();  // `parts` may still be read from the call before
    if (threadIdx.x % kWarp == 0) {
      parts[threadIdx.x / kWarp] = value;
    }
    __syncthreads();
    value = parts[0];
    for (int warp = 1; warp < Threads / kWarp; ++warp) {
      value = combine(value, parts[warp]);
    }
  }
  return value;
}

}  // namespace stagecraft::cuda
