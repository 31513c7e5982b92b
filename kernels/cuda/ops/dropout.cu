#include "kernels/cuda/ops/dropout.h"

#include <algorithm>

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/mask.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr int kRows = 4;  // of a block

template <typename T>
struct Arrays {
  std::uint32_t rows;
  std::int64_t columns;
  MatrixView<T> x;
  const T* added;
  std::uint32_t added_rows;
  const std::int32_t* added_at;
  MatrixView<T> residual;  // null: none
  MatrixView<T> y;
  Mask mask;
  std::uint32_t rows_per_sample;
  std::uint32_t first_row;  // of its sample
};

/// Row `row` of its sample, walked to the next without a division.
struct RowPosition {
  __device__ RowPosition(std::uint32_t number, std::uint32_t rows_per_sample)
      : sample(number / rows_per_sample), row(number % rows_per_sample) {}
  __device__ void next(std::uint32_t rows_per_sample) {
    const bool last = ++row == rows_per_sample;
    row = last ? 0 : row;
    sample += last ? 1 : 0;
  }
  std::uint32_t sample;
  std::uint32_t row;
};

/// Where rows are moved wide, their groups are the blocks of random words.
template <bool Vectorized, typename T>
__device__ float4 masked(const Arrays<T>& on, const RowPosition& position, std::int64_t column,
                         const float4& value) {
  float factors[kGroup];
  if constexpr (Vectorized) {
    const auto groups = static_cast<std::uint32_t>(on.columns / kGroup);
    on.mask.block_factors(position.sample,
                          position.row * groups + static_cast<std::uint32_t>(column / kGroup),
                          factors);
  } else {
    on.mask.factors(position.sample, static_cast<std::uint64_t>(position.row) * on.columns + column,
                    factors);
  }
  return value * float4{factors[0], factors[1], factors[2], factors[3]};
}

/// What is read of a thread's rows, all of it under way before the first is used. Beyond the last
/// row it is read again.
template <bool Vectorized, bool Fused, typename T>
struct Loaded {
  __device__ Loaded(const Arrays<T>& on, std::uint32_t first_row, std::int64_t column) {
    const std::uint32_t last = on.rows - 1;
#pragma unroll
    for (std::uint32_t r = 0; r < kRows; ++r) {
      const std::int64_t row = min(first_row + r, last);
      values[r] = load_packed<Vectorized>(row_of(on.x, row), column, on.columns);
    }
    if constexpr (Fused) {
      load_fused(on, first_row, column);
    }
  }

  __device__ void load_fused(const Arrays<T>& on, std::uint32_t first_row, std::int64_t column) {
    const std::uint32_t last = on.rows - 1;
    if (on.residual.data != nullptr) {
#pragma unroll
      for (std::uint32_t r = 0; r < kRows; ++r) {
        const std::int64_t row = min(first_row + r, last);
        residuals[r] = load_packed<Vectorized>(row_of(on.residual, row), column, on.columns);
      }
    }
    if (on.added != nullptr && on.added_rows == 1 && on.added_at == nullptr) {
      const Packed<T> bias = load_packed<Vectorized>(on.added, column, on.columns);
#pragma unroll
      for (std::uint32_t r = 0; r < kRows; ++r) {
        added[r] = bias;
      }
    } else if (on.added != nullptr) {
#pragma unroll
      for (std::uint32_t r = 0; r < kRows; ++r) {
        const std::uint32_t at = min(first_row + r, last);
        const std::int64_t row = on.added_at != nullptr ? on.added_at[at] : at % on.added_rows;
        added[r] = load_packed<Vectorized>(on.added + row * on.columns, column, on.columns);
      }
    }
  }
  Packed<T> values[kRows];
  Packed<T> added[Fused ? kRows : 1];
  Packed<T> residuals[Fused ? kRows : 1];
};

/// Without `Fused` nothing is added, and no registers are kept for it.
template <bool Vectorized, bool Fused, typename T>
__global__ void dropout_rows_kernel(Arrays<T> on) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * kGroup;
  const std::uint32_t first_row = blockIdx.x * kRows;
  const std::uint32_t rows = min(on.rows - first_row, static_cast<std::uint32_t>(kRows));
  if (column >= on.columns) {
    return;
  }
  const Loaded<Vectorized, Fused, T> loaded(on, first_row, column);
  RowPosition position(on.first_row + first_row, on.rows_per_sample);
#pragma unroll
  for (std::uint32_t r = 0; r < kRows; ++r) {
    float4 value = unpacked<T>(loaded.values[r]);
    value = Fused && on.added != nullptr ? value + unpacked<T>(loaded.added[r]) : value;
    value = on.mask.active() ? masked<Vectorized>(on, position, column, value) : value;
    value = Fused && on.residual.data != nullptr ? unpacked<T>(loaded.residuals[r]) + value : value;
    if (r < rows) {
      store_packed<Vectorized>(row_of(on.y, first_row + r), column, on.columns, value);
    }
    position.next(on.rows_per_sample);
  }
}

/// A thread for each group of a row, in strips of whole warps, up to 256 threads each.
Grid grid_of(std::int64_t rows, std::int64_t columns) {
  const std::int64_t groups = parts_of(columns, kGroup);
  const std::int64_t strips = parts_of(groups, 256);
  const std::int64_t threads = parts_of(parts_of(groups, strips), 32) * 32;
  return {
      .blocks = parts_of(rows, kRows), .threads = static_cast<unsigned>(threads), .strips = strips};
}

/// The same rows, counted from the sample that the first of them is in.
Dropout from_sample(Dropout dropout) {
  dropout.first_sample += static_cast<std::uint64_t>(dropout.first_row / dropout.rows_per_sample);
  dropout.first_row %= dropout.rows_per_sample;
  return dropout;
}

}  // namespace

void dropout_rows(Stream& stream, std::string_view where, const DropoutRows& args) {
  const std::int64_t rows = args.x.size(0);
  const std::int64_t columns = args.x.size(1);
  require(rows < std::int64_t{1} << 31, where, "{} rows are more than 2^31", rows);
  if (columns == 0) {
    return;
  }
  with_element(args.x.dtype(), [&]<typename T>() {
    const Arrays<T> on = {
        .rows = static_cast<std::uint32_t>(rows),
        .columns = columns,
        .x = args.x.matrix<T>(),
        .added = data_or_null<T>(args.added),
        .added_rows = static_cast<std::uint32_t>(args.added_rows),
        .added_at = data_or_null<std::int32_t>(args.added_at),
        .residual = args.residual.empty() ? MatrixView<T>() : args.residual.matrix<T>(),
        .y = args.y.matrix<T>(),
        .mask = Mask(from_sample(args.dropout)),
        .rows_per_sample = static_cast<std::uint32_t>(args.dropout.rows_per_sample),
        .first_row = static_cast<std::uint32_t>(from_sample(args.dropout).first_row)};
    const bool vectorized =
        is_vectorizable({on.x.data, on.added, on.residual.data, on.y.data}, columns) &&
        has_grouped_rows(args.x) && has_grouped_rows(args.residual) && has_grouped_rows(args.y);
    const bool fused = on.added != nullptr || on.residual.data != nullptr;
    const auto kernel = fused ? (vectorized ? dropout_rows_kernel<true, true, T>
                                            : dropout_rows_kernel<false, true, T>)
                              : (vectorized ? dropout_rows_kernel<true, false, T>
                                            : dropout_rows_kernel<false, false, T>);
    launch(stream, where, grid_of(rows, columns), kernel, on);
  });
}

}  // namespace stagecraft::cuda
