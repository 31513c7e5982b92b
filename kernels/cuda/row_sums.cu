#include "kernels/cuda/row_sums.cuh"

namespace stagecraft::cuda {
namespace {

constexpr int kColumns = 32;
constexpr int kLanes = 32;  // blocks lane, lane + 32, ..; then lanes in ascending order

__global__ void join_kernel(PartialSums on) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  float sum = 0;
  if (column < on.columns) {
#pragma unroll 4
    for (std::int64_t block = threadIdx.y; block < on.blocks; block += kLanes) {
      sum += on.partial[block * on.width + column];
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
    on.out[column] = on.accumulate ? on.out[column] + total : total;
  }
}

}  // namespace

void join_row_blocks(Stream& stream, std::string_view place, const PartialSums& args) {
  const Grid grid{.blocks = parts_of(args.columns, kColumns), .threads = dim3(kColumns, kLanes)};
  launch(stream, place, grid, join_kernel, args);
}

}  // namespace stagecraft::cuda
