#include "kernels/ops/reduce.h"

#include <span>
#include <vector>

#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroupsOfThread = 16;
constexpr std::int64_t kBlock = kThreads * kGroupsOfThread * kGroup;  // elements

__device__ double square(float x) { return static_cast<double>(x) * static_cast<double>(x); }

/// One of the tensors: its blocks are `first_block` and those after it, up to the next one's.
struct Part {
  const float* x;
  std::int64_t count;
  std::int64_t first_block;
};

/// All tensors' blocks one behind the other. The table has one entry more, where the blocks end.
struct Parts {
  const Part* table;
  std::int32_t count;

  /// The part that has a block: the last that begins at it or before, so one that is not empty.
  __device__ const Part& of(std::int64_t block) const {
    std::int32_t below = 0;
    std::int32_t above = count;
    while (above - below > 1) {
      const std::int32_t middle = (below + above) / 2;
      const bool begun = table[middle].first_block <= block;
      below = begun ? middle : below;
      above = begun ? above : middle;
    }
    return table[below];
  }
};

template <bool Vectorized>
__device__ double block_squares(const float* x, std::int64_t first, std::int64_t count) {
  double sum = 0;
#pragma unroll 8
  for (int i = 0; i < kGroupsOfThread; ++i) {
    const float4 v = load4<Vectorized>(x, first + i * kThreads * kGroup, count);
    sum += (square(v.x) + square(v.y)) + (square(v.z) + square(v.w));
  }
  return sum;
}

template <bool Vectorized>
__global__ void block_squares_kernel(Parts parts, double* partial) {
  const Part part = parts.of(blockIdx.x);
  const std::int64_t first = (blockIdx.x - part.first_block) * kBlock + threadIdx.x * kGroup;
  const double sum =
      reduce_threads<kThreads, Plus>(block_squares<Vectorized>(part.x, first, part.count));
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
  }
}

/// A block adds the sums of one part.
__global__ void reduce_squares_kernel(const Part* table, const double* partial, double* out) {
  const Part* const part = table + blockIdx.x;
  const std::int64_t end = part[1].first_block;
  double sum = 0;
#pragma unroll 8
  for (std::int64_t block = part->first_block + threadIdx.x; block < end; block += kThreads) {
    sum += partial[block];
  }
  sum = reduce_threads<kThreads, Plus>(sum);
  if (threadIdx.x == 0) {
    out[blockIdx.x] = sum;
  }
}

}  // namespace

void sums_of_squares(Stream& stream, const SumsOfSquares& args) {
  constexpr std::string_view kWhere = "sums_of_squares";
  std::vector<Part> parts;
  bool vectorized = true;
  std::int64_t blocks = 0;
  for (const Tensor& x : args.x) {
    parts.push_back({x.data<float>(), x.elements(), blocks});
    vectorized = vectorized && is_vectorizable({x.raw()});
    blocks += parts_of(x.elements(), kBlock);
  }
  parts.push_back({nullptr, 0, blocks});
  const std::span<const std::byte> bytes = std::as_bytes(std::span(parts));
  const auto words = static_cast<std::int64_t>(bytes.size() / sizeof(std::int32_t));
  const Tensor memory(stream.memory(), {words}, DType::int32, MemoryLabel::workspace);
  dispatch(stream, CopyFromHost{bytes, memory});
  const auto* table = static_cast<const Part*>(memory.raw());
  const auto count = static_cast<std::int32_t>(args.x.size());
  const Tensor partial(stream.memory(), {blocks}, DType::float64, MemoryLabel::workspace);
  launch(stream, kWhere, {.blocks = blocks, .threads = kThreads},
         vectorized ? block_squares_kernel<true> : block_squares_kernel<false>, Parts{table, count},
         partial.data<double>());
  launch(stream, kWhere, {.blocks = count, .threads = kThreads}, reduce_squares_kernel, table,
         partial.data<double>(), args.out.data<double>());
}

}  // namespace stagecraft::cuda
