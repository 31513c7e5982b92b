// How the rows of a norm are cut over threads.
#pragma once

#include <algorithm>
#include <string_view>

#include "kernels/base/error.h"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {

/// A row on `Threads` threads, `Groups` groups each, held in registers; a block has `Rows` rows at
/// a time, threadIdx.y each. The first `Full` groups of a thread lie within the rows that it is
/// for.
template <int Threads_, int Groups_, int Rows_, int Full_ = 0>
struct LaunchShape {
  static constexpr int Threads = Threads_;
  static constexpr int Groups = Groups_;
  static constexpr int Rows = Rows_;
  static constexpr int Full = Full_;
  static constexpr int Most = Threads * Groups * kGroup;

  __device__ static int column(int group) {
    return (group * Threads + static_cast<int>(threadIdx.x)) * static_cast<int>(kGroup);
  }
};

/// Elements of a row as they lie in memory; beyond the row zero. With `Wide` a group is within the
/// row or beyond it.
template <bool Vectorized, typename T>
__device__ Packed<T> load_within(const T* row, int column, int columns) {
  return column < columns ? load_packed<Vectorized>(row, column, columns) : Packed<T>{};
}

/// Calls f(Cut) with the first of `Cuts` that holds rows of `columns`.
template <typename... LaunchShapes, typename F>
void with_first_fitting(std::string_view where, std::int64_t columns, F&& f) {
  const auto fits = [&]<typename C>(C cut) {
    const bool holds = columns <= C::Most;
    if (holds) {
      f(cut);
    }
    return holds;
  };
  const bool found = (fits(LaunchShapes()) || ...);
  require(found, where, "rows of {} elements: at most {} are normalised on CUDA", columns,
          std::max({LaunchShapes::Most...}));
}

}  // namespace stagecraft::cuda
