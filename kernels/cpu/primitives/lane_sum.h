// Sums whose order is fixed by their length. The compiler's own vector reductions may depend on how
// the data is aligned in memory, which depends on the split.
#pragma once

#include <array>
#include <cstdint>

namespace stagecraft::cpu {

inline constexpr int kSumLanes = 32;

/// term(0) + .. + term(count - 1): lane i % 32 takes term i in ascending order, then neighbouring
/// halves of the lanes are added.
template <typename T, typename F>
T lane_sum(std::int64_t count, F&& term) {
  std::array<T, kSumLanes> lanes{};
  T* lane = lanes.data();
  std::int64_t i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
#pragma omp simd
    for (int l = 0; l < kSumLanes; ++l) {
      lane[l] += term(i + l);
    }
  }
  for (int l = 0; i + l < count; ++l) {
    lane[l] += term(i + l);
  }
  for (int width = kSumLanes / 2; width >= 1; width /= 2) {
    for (int l = 0; l < width; ++l) {
      lane[l] += lane[l + width];
    }
  }
  return lane[0];
}

}  // namespace stagecraft::cpu
