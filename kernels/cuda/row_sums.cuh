// Sums over rows: partial sums of fixed blocks of rows, joined in a fixed order.
#pragma once

#include <array>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {

inline constexpr int kSumRows = 128;      // rows of a block
inline constexpr int kSumLanes = 8;       // of these, rows lane, lane + 8, ..; then lanes in order
inline constexpr int kStripThreads = 32;  // groups of columns side by side

/// `Sums` sums for each column, in one pass over the rows.
template <int Sums>
struct RowSums {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool wide = false;  // what the terms read may be moved so
  std::array<float*, Sums> outputs{};
  bool accumulate = false;
};

/// partial: [blocks of rows, Sums, columns].
template <int Sums, bool Wide, typename Terms>
__global__ void sum_row_block_kernel(Terms terms, std::int64_t rows, std::int64_t columns,
                                     float* partial) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kStripThreads + threadIdx.x) * kGroup;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kSumRows;
  const std::int64_t end = first + kSumRows < rows ? first + kSumRows : rows;
  float4 sums[Sums] = {};
  if (column < columns) {
#pragma unroll 4
    for (std::int64_t row = first + threadIdx.y; row < end; row += kSumLanes) {
      terms.template add<Wide>(row, column, columns, sums);
    }
  }
  __shared__ float4 lanes[Sums][kSumLanes][kStripThreads];
#pragma unroll
  for (int s = 0; s < Sums; ++s) {
    lanes[s][threadIdx.y][threadIdx.x] = sums[s];
  }
  __syncthreads();
  if (threadIdx.y < Sums && column < columns) {
    float4 total = lanes[threadIdx.y][0][threadIdx.x];
    for (int lane = 1; lane < kSumLanes; ++lane) {
      total = total + lanes[threadIdx.y][lane][threadIdx.x];
    }
    store4<false>(partial + (static_cast<std::int64_t>(blockIdx.x) * Sums + threadIdx.y) * columns,
                  column, columns, total);
  }
}

/// out[c] (+)= sum over the blocks of partial[block * width + c], c < columns.
struct PartialSums {
  const float* partial = nullptr;
  std::int64_t blocks = 0;
  std::int64_t width = 0;
  std::int64_t columns = 0;
  float* out = nullptr;
  bool accumulate = false;
};
void join_row_blocks(Stream& stream, std::string_view place, const PartialSums& args);

/// terms.add<Wide>(row, column, columns, sums) adds a row's terms of four columns to `sums`.
template <int Sums, typename Terms>
void sum_rows(Stream& stream, std::string_view place, const Terms& terms,
              const RowSums<Sums>& args) {
  const std::int64_t blocks = parts_of(args.rows, kSumRows);
  const std::int64_t width = Sums * args.columns;
  const Tensor partial(stream.memory(), {blocks, width}, DType::float32, MemoryLabel::workspace);
  const Grid grid{.blocks = blocks,
                  .threads = dim3(kStripThreads, kSumLanes),
                  .strips = parts_of(args.columns, kStripThreads * kGroup)};
  launch(stream, place, grid,
         args.wide ? sum_row_block_kernel<Sums, true, Terms>
                   : sum_row_block_kernel<Sums, false, Terms>,
         terms, args.rows, args.columns, partial.data<float>());
  for (int s = 0; s < Sums; ++s) {
    join_row_blocks(stream, place,
                    {.partial = partial.data<float>() + s * args.columns,
                     .blocks = blocks,
                     .width = width,
                     .columns = args.columns,
                     .out = args.outputs[s],
                     .accumulate = args.accumulate});
  }
}

}  // namespace stagecraft::cuda
