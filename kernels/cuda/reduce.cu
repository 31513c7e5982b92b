#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/reduce.h"

namespace stagecraft::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroupsOfThread = 16;
constexpr std::int64_t kBlock = kThreads * kGroupsOfThread * kGroup;  // elements

__device__ double square(float x) { return static_cast<double>(x) * static_cast<double>(x); }

template <bool Wide>
__global__ void block_squares_kernel(const float* x, std::int64_t count, double* partial) {
  const std::int64_t first = blockIdx.x * kBlock + threadIdx.x * kGroup;
  double sum = 0;
#pragma unroll 8
  for (int i = 0; i < kGroupsOfThread; ++i) {
    const float4 v = load4<Wide>(x, first + i * kThreads * kGroup, count);
    sum += (square(v.x) + square(v.y)) + (square(v.z) + square(v.w));
  }
  sum = join_threads<kThreads, Plus>(sum);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
  }
}

__global__ void join_squares_kernel(const double* partial, std::int64_t blocks, double* out) {
  double sum = 0;
#pragma unroll 8
  for (std::int64_t block = threadIdx.x; block < blocks; block += kThreads) {
    sum += partial[block];
  }
  sum = join_threads<kThreads, Plus>(sum);
  if (threadIdx.x == 0) {
    *out = sum;
  }
}

}  // namespace

void sum_of_squares(Stream& stream, const SumOfSquares& args) {
  constexpr std::string_view kPlace = "sum_of_squares";
  const std::int64_t count = args.x.elements();
  const std::int64_t blocks = parts_of(count, kBlock);
  const Tensor partial(stream.memory(), {blocks}, DType::float64, MemoryLabel::workspace);
  const auto* x = args.x.data<float>();
  launch(stream, kPlace, {.blocks = blocks, .threads = kThreads},
         moves_wide({x}) ? block_squares_kernel<true> : block_squares_kernel<false>, x, count,
         partial.data<double>());
  launch(stream, kPlace, {.blocks = 1, .threads = kThreads}, join_squares_kernel,
         partial.data<double>(), blocks, args.out.data<double>());
}

}  // namespace stagecraft::cuda
