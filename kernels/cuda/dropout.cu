#include "kernels/cuda/dropout.h"

#include <algorithm>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mask.cuh"

namespace stagecraft::cuda {
namespace {

constexpr int kRows = 4;  // of a block

struct Arrays {
  std::uint32_t rows;
  std::int64_t columns;
  const float* x;
  const float* added;
  std::uint32_t added_rows;
  const float* residual;
  float* y;
  Mask mask;
  std::uint32_t rows_per_sample;
};

/// Row `row` of its sample, walked to the next without a division.
struct Place {
  __device__ Place(std::uint32_t number, std::uint32_t rows_per_sample)
      : sample(number / rows_per_sample), row(number % rows_per_sample) {}
  __device__ void next(std::uint32_t rows_per_sample) {
    const bool last = ++row == rows_per_sample;
    row = last ? 0 : row;
    sample += last ? 1 : 0;
  }
  std::uint32_t sample;
  std::uint32_t row;
};

__device__ float4 masked(const Arrays& on, const Place& place, std::int64_t column,
                         const float4& value) {
  float factors[4];
  on.mask.factors(place.sample, static_cast<std::uint64_t>(place.row) * on.columns + column,
                  factors);
  return value * float4{factors[0], factors[1], factors[2], factors[3]};
}

/// What is read of a thread's rows, all of it under way before the first is used.
template <bool Wide>
struct Loaded {
  __device__ Loaded(const Arrays& on, std::uint32_t first_row, std::uint32_t rows,
                    std::int64_t column) {
#pragma unroll
    for (std::uint32_t r = 0; r < kRows; ++r) {
      if (r < rows) {
        const std::uint32_t row = first_row + r;
        values[r] = load4<Wide>(on.x + row * on.columns, column, on.columns);
        if (on.added != nullptr) {
          const std::uint32_t added_row = on.added_rows == 1 ? 0 : row % on.added_rows;
          added[r] = load4<Wide>(on.added + added_row * on.columns, column, on.columns);
        }
        if (on.residual != nullptr) {
          residuals[r] = load4<Wide>(on.residual + row * on.columns, column, on.columns);
        }
      }
    }
  }
  float4 values[kRows];
  float4 added[kRows];
  float4 residuals[kRows];
};

template <bool Wide>
__global__ void dropout_rows_kernel(Arrays on) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * kGroup;
  const std::uint32_t first_row = blockIdx.x * kRows;
  const std::uint32_t rows = min(on.rows - first_row, static_cast<std::uint32_t>(kRows));
  if (column >= on.columns) {
    return;
  }
  const Loaded<Wide> loaded(on, first_row, rows, column);
  Place place(first_row, on.rows_per_sample);
#pragma unroll
  for (std::uint32_t r = 0; r < kRows; ++r) {
    if (r < rows) {
      float4 value = loaded.values[r];
      value = on.added != nullptr ? value + loaded.added[r] : value;
      value = on.mask.active() ? masked(on, place, column, value) : value;
      value = on.residual != nullptr ? loaded.residuals[r] + value : value;
      store4<Wide>(on.y + (first_row + r) * on.columns, column, on.columns, value);
      place.next(on.rows_per_sample);
    }
  }
}

/// As many threads as a row has groups, in whole warps, up to 256.
unsigned threads_for(std::int64_t columns) {
  const std::int64_t groups = parts_of(columns, kGroup);
  return static_cast<unsigned>(std::min<std::int64_t>(256, parts_of(groups, 32) * 32));
}

}  // namespace

void dropout_rows(Stream& stream, std::string_view place, const DropoutRows& args) {
  require(args.rows < std::int64_t{1} << 31, place, "{} rows are more than 2^31", args.rows);
  if (args.columns == 0) {
    return;
  }
  const Arrays on = {.rows = static_cast<std::uint32_t>(args.rows),
                     .columns = args.columns,
                     .x = args.x,
                     .added = args.added,
                     .added_rows = static_cast<std::uint32_t>(args.added_rows),
                     .residual = args.residual,
                     .y = args.y,
                     .mask = Mask(args.dropout),
                     .rows_per_sample = static_cast<std::uint32_t>(args.dropout.rows_per_sample)};
  const bool wide = moves_wide({args.x, args.added, args.residual, args.y}, args.columns);
  const unsigned threads = threads_for(args.columns);
  const Grid grid{.blocks = parts_of(args.rows, kRows),
                  .threads = threads,
                  .strips = parts_of(args.columns, threads * kGroup)};
  launch(stream, place, grid, wide ? dropout_rows_kernel<true> : dropout_rows_kernel<false>, on);
}

}  // namespace stagecraft::cuda
