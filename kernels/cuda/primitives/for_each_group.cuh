// One thread for groups of four elements, of flat arrays or of the rows of matrices.
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

/// Elements from a row to the next of an operation's tensors, in the order of its pointers.
struct RowStrides {
  std::int64_t of[3] = {};
};

inline constexpr int kRowsOfBlock = 8;
inline constexpr int kGroupsOfBlock = 32;

/// f.at_row(row, strides) is f with its pointers at a row.
template <bool Vectorized, typename F>
__global__ void for_each_row_kernel(std::int64_t rows, std::int64_t columns, RowStrides strides,
                                    F f) {
  const std::int64_t row = std::int64_t{blockIdx.x} * kRowsOfBlock + threadIdx.y;
  const std::int64_t column = (std::int64_t{blockIdx.y} * kGroupsOfBlock + threadIdx.x) * kGroup;
  if (row < rows && column < columns) {
    const F on = f.at_row(row, strides);
    on.template store<Vectorized>(column, columns, on.template load<Vectorized>(column, columns));
  }
}

/// for_each_group() over tensors of one shape, whose first elements are F's pointers. Matrices may
/// be column ranges. F::kWholeGroups: with `Vectorized` no group may be cut short.
template <typename F, typename... Tensors>
void for_each_element(Stream& stream, std::string_view where, const F& f, const Tensor& first,
                      const Tensors&... rest) {
  const auto is_aligned = [&](std::int64_t run) {
    return is_vectorizable({first.first_element(), rest.first_element()...},
                           F::kWholeGroups ? run : kGroup);
  };
  if (first.contiguous() && (... && rest.contiguous())) {
    const std::int64_t count = first.elements();
    for_each_group(stream, where, count, is_aligned(count), f);
    return;
  }
  const std::int64_t columns = first.size(1);
  const bool vectorized =
      is_aligned(columns) && has_grouped_rows(first) && (... && has_grouped_rows(rest));
  const Grid grid{.blocks = parts_of(first.size(0), kRowsOfBlock),
                  .threads = dim3(kGroupsOfBlock, kRowsOfBlock),
                  .strips = parts_of(columns, kGroupsOfBlock * kGroup)};
  launch(stream, where, grid,
         vectorized ? for_each_row_kernel<true, F> : for_each_row_kernel<false, F>, first.size(0),
         columns, RowStrides{{first.row_stride(), rest.row_stride()...}}, f);
}

}  // namespace stagecraft::cuda
