#include "kernels/cuda/primitives/row_sums.h"

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr int kRowLanes = 8;     // a block's rows lane, lane + 8, ..; then lanes in order
constexpr int kRowsOfLane = 16;  // all of them are read before the first is added
constexpr int kBlockRows = kRowLanes * kRowsOfLane;
constexpr int kStripThreads = 32;  // groups of columns side by side

/// partial: [blocks of rows, columns].
template <bool Vectorized, typename T>
__global__ void sum_block_kernel(MatrixView<T> x, std::int64_t rows, std::int64_t columns,
                                 float* partial) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kStripThreads + threadIdx.x) * kGroup;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kBlockRows + threadIdx.y;
  float4 sum = {0, 0, 0, 0};
  if (column < columns) {
    Packed<T> terms[kRowsOfLane];
#pragma unroll
    for (int i = 0; i < kRowsOfLane; ++i) {
      const std::int64_t row = min(first + i * kRowLanes, rows - 1);
      terms[i] = load_packed<Vectorized>(row_of(x, row), column, columns);
    }
#pragma unroll
    for (int i = 0; i < kRowsOfLane; ++i) {
      sum = first + i * kRowLanes < rows ? sum + unpacked<T>(terms[i]) : sum;
    }
  }
  __shared__ float4 lanes[kRowLanes][kStripThreads];
  lanes[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (int lane = 1; lane < kRowLanes; ++lane) {
      sum = sum + lanes[lane][threadIdx.x];
    }
    store4<false>(partial + blockIdx.x * columns, column, columns, sum);
  }
}

constexpr int kColumns = 32;
constexpr int kLanes = 32;  // blocks lane, lane + 32, ..; then lanes in ascending order

__global__ void reduce_blocks_kernel(PartialSums on) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  float sum = 0;
  if (column < on.columns) {
#pragma unroll 4
    for (std::int64_t block = threadIdx.y; block < on.blocks; block += kLanes) {
      sum += on.partial[(block * on.sums + blockIdx.y) * on.columns + column];
    }
  }
  __shared__ float lanes[kLanes][kColumns];
  lanes[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < on.columns) {
    float total = lanes[0][threadIdx.x];
    for (int lane = 1; lane < kLanes; ++lane) {
      total += lanes[lane][threadIdx.x];
    }
    float* const out = blockIdx.y == 0 ? on.outputs[0] : on.outputs[1];
    out[column] = on.accumulate ? out[column] + total : total;
  }
}

}  // namespace

void sum_rows(Stream& stream, std::string_view where, const RowSums& args) {
  const std::int64_t rows = args.x.size(0);
  const std::int64_t columns = args.x.size(1);
  const std::int64_t blocks = parts_of(rows, kBlockRows);
  const Tensor partial(stream.memory(), {blocks, columns}, DType::float32, MemoryLabel::workspace);
  const Grid grid{.blocks = blocks,
                  .threads = dim3(kStripThreads, kRowLanes),
                  .strips = parts_of(columns, kStripThreads * kGroup)};
  with_element(args.x.dtype(), [&]<typename T>() {
    const MatrixView<T> x = args.x.matrix<T>();
    const bool vectorized = is_vectorizable({x.data}, columns) && has_grouped_rows(args.x);
    launch(stream, where, grid, vectorized ? sum_block_kernel<true, T> : sum_block_kernel<false, T>,
           x, rows, columns, partial.data<float>());
  });
  reduce_row_blocks(stream, where,
                    {.partial = partial.data<float>(),
                     .blocks = blocks,
                     .columns = columns,
                     .outputs = {args.out.data<float>()},
                     .accumulate = args.accumulate});
}

void reduce_row_blocks(Stream& stream, std::string_view where, const PartialSums& args) {
  const Grid grid{.blocks = parts_of(args.columns, kColumns),
                  .threads = dim3(kColumns, kLanes),
                  .strips = args.outputs[1] == nullptr ? 1 : 2};
  launch(stream, where, grid, reduce_blocks_kernel, args);
}

}  // namespace stagecraft::cuda
