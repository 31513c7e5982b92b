// What the kernels of the softmax share: a block takes a row of logits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"
#include "kernels/ops/cross_entropy.h"

namespace stagecraft::cuda {

inline constexpr int kSoftmaxThreads = 512;
inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// A row's local logits: tokens first, padding after.
struct Columns {
  Columns(const Tensor& logits, const VocabularyShard& shard)
      : all(logits.size(1)),
        tokens(std::clamp<std::int64_t>(shard.vocabulary - shard.first_token, 0, all)),
        first_token(shard.first_token),
        vocabulary(shard.vocabulary) {}

  /// Whether this shard holds the target; an ignored one is held by none.
  __device__ bool holds(std::int32_t target) const {
    return target >= first_token && target - first_token < tokens;
  }
  __device__ bool is_token(std::int32_t target) const { return target >= 0 && target < vocabulary; }

  std::int64_t all;
  std::int64_t tokens;
  std::int64_t first_token;
  std::int64_t vocabulary;
};

/// e^(x - maximum). bfloat16 has no use for more than the fast function gives.
template <typename T>
struct Exponential {
  static constexpr float kLog2E = 1.44269504F;

  __device__ explicit Exponential(float maximum)
      : subtracted(std::is_same_v<T, float> ? maximum : maximum * kLog2E) {}

  __device__ float operator()(float x) const {
    if constexpr (std::is_same_v<T, float>) {
      return expf(x - subtracted);
    } else {
      float power = 0;
      asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(fmaf(x, kLog2E, -subtracted)));
      return power;
    }
  }

  float subtracted;
};

/// A run of a row's groups. It begins at a multiple of kSoftmaxThreads, so that every thread has
/// the same groups of a row whatever it is cut into.
struct ColumnRange {
  std::uint32_t first = 0;
  std::uint32_t end = std::numeric_limits<std::uint32_t>::max();
};

/// f(four elements, their column) for the block's threads in turn, over the groups of `range` in
/// the first `count` columns of a row. The last group is filled up with `rest`, of columns that may
/// be no part of the row.
template <bool Vectorized, typename T, typename F>
__device__ void for_each_group_of_row(const T* row, ColumnRange range, std::int64_t count,
                                      float rest, F&& f) {
  const auto whole = static_cast<std::uint32_t>(count / kGroup);
  const std::uint32_t end = min(whole, range.end);
#pragma unroll 4
  for (std::uint32_t group = range.first + threadIdx.x; group < end; group += kSoftmaxThreads) {
    const std::int64_t at = std::int64_t{group} * kGroup;
    f(unpacked<T>(load_packed<Vectorized>(row, at, count)), at);
  }
  if (count % kGroup != 0 && whole >= range.first && whole < range.end &&
      whole % kSoftmaxThreads == threadIdx.x) {
    const std::int64_t at = std::int64_t{whole} * kGroup;
    f(load4<false>(row, at, count, rest), at);
  }
}

/// Of this thread's groups in `range`, and of `largest`.
template <bool Vectorized, typename T>
__device__ float larger_of_row(const T* row, const Columns& columns, ColumnRange range,
                               float largest) {
  const Larger larger;
  for_each_group_of_row<Vectorized>(
      row, range, columns.tokens, kLowest, [&](const float4& v, std::int64_t) {
        largest = larger(larger(larger(v.x, v.y), larger(v.z, v.w)), largest);
      });
  return largest;
}

/// Of the block's row; every thread gets it.
template <bool Vectorized, typename T>
__device__ float row_maximum(const T* row, const Columns& columns) {
  return reduce_threads<kSoftmaxThreads, Larger>(
      larger_of_row<Vectorized>(row, columns, {}, kLowest));
}

/// Of the block's row; each(exponentials, their column) for every group beside it.
template <bool Vectorized, typename T, typename Each>
__device__ float row_sum(const T* row, const Columns& columns, float maximum, Each&& each) {
  const Exponential<T> exponential(maximum);
  float total = 0;
  for_each_group_of_row<Vectorized>(
      row, {}, columns.tokens, kLowest, [&](const float4& v, std::int64_t at) {
        const float4 e = {exponential(v.x), exponential(v.y), exponential(v.z), exponential(v.w)};
        total += sum(e);
        each(e, at);
      });
  return reduce_threads<kSoftmaxThreads, Plus>(total);
}
template <bool Vectorized, typename T>
__device__ float row_sum(const T* row, const Columns& columns, float maximum) {
  return row_sum<Vectorized>(row, columns, maximum, [](const float4&, std::int64_t) {});
}

template <typename T>
__device__ float target_logit(const Columns& columns, const T* row, std::int32_t target,
                              float maximum) {
  if (columns.holds(target)) {
    return widened(row[target - columns.first_token]) - maximum;
  }
  return target == kIgnoredTarget || columns.is_token(target)
             ? 0.0F
             : std::numeric_limits<float>::quiet_NaN();
}

/// What a row's gradient is computed with.
struct RowGradient {
  __device__ RowGradient(const Columns& columns, std::int32_t token, float sum, float scaled_by)
      : scale(scaled_by),
        factor(scaled_by / sum),
        counted(token == kIgnoredTarget ? 0 : columns.tokens),
        all(columns.all),
        target(columns.holds(token) ? token - columns.first_token : -1) {}

  /// Whether this thread writes the target's column, and it lies in `range`.
  __device__ bool has_target(ColumnRange range) const {
    return target >= 0 && target / kGroup >= range.first && target / kGroup < range.end &&
           target / kGroup % kSoftmaxThreads == threadIdx.x;
  }

  /// Of what exponential() makes of `row`, whose groups of `range` are read; `to` may be `row`.
  /// Columns that are no tokens get zero, the target's is written over what it would get as any
  /// other, by the same thread.
  template <bool Vectorized, typename T, typename U, typename Exp>
  __device__ void write(const T* row, U* to, ColumnRange range, const Exp& exponential) const {
    const bool mine = has_target(range);
    const float of_target = mine ? exponential(widened(row[target])) : 0;
    for_each_group_of_row<Vectorized>(row, range, all, 0, [&](const float4& v, std::int64_t at) {
      float4 gradient =
          float4{exponential(v.x), exponential(v.y), exponential(v.z), exponential(v.w)} * factor;
      if (at + kGroup > counted) {
        gradient = {at < counted ? gradient.x : 0, at + 1 < counted ? gradient.y : 0,
                    at + 2 < counted ? gradient.z : 0, 0};
      }
      store_packed<Vectorized>(to, at, all, gradient);
    });
    if (mine) {
      to[target] = narrowed<U>(of_target * factor - scale);
    }
  }

  float scale;
  float factor;
  std::int64_t counted;  // columns that get a gradient
  std::int64_t all;      // columns
  std::int64_t target;   // column; -1 where it is none of them
};

inline Grid softmax_grid(const Tensor& logits) {
  return {.blocks = logits.size(0), .threads = kSoftmaxThreads};
}

}  // namespace stagecraft::cuda
