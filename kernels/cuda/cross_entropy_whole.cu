// Loss and gradient of a whole vocabulary, by one kernel.
#include <cuda_pipeline.h>

#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/softmax_row.cuh"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "softmax_cross_entropy";

template <typename T>
struct Whole {
  T* logits;
  const std::int32_t* targets;
  Columns columns;
  float scale;
  float* sums;
  float* target_logits;
};

/// A row lies in shared memory where it is short enough for two blocks of a multiprocessor: one
/// computes while the other reads or writes.
constexpr std::int64_t kMostHeldBytes = 110 << 10;
constexpr std::int64_t kPieceBytes = 16;  // what is copied there at a time

template <typename T>
__device__ void hold_row(const T* row, std::int64_t columns, float4* held) {
  const auto pieces = static_cast<std::uint32_t>(columns * sizeof(T) / kPieceBytes);
  for (std::uint32_t piece = threadIdx.x; piece < pieces; piece += kSoftmaxThreads) {
    __pipeline_memcpy_async(held + piece, reinterpret_cast<const float4*>(row) + piece,
                            kPieceBytes);
  }
  __pipeline_commit();
  __pipeline_wait_prior(0);
  __syncthreads();
}

/// The row comes from memory once: it is held in shared memory or, a longer one, likely found in
/// the cache the second and the third time.
template <bool Wide, bool Held, typename T>
__global__ void __launch_bounds__(kSoftmaxThreads) whole_kernel(Whole<T> on) {
  extern __shared__ float4 shared[];
  T* const target = on.logits + blockIdx.x * on.columns.all;
  const T* row = target;
  if constexpr (Held) {
    hold_row(target, on.columns.all, shared);
    row = reinterpret_cast<const T*>(shared);
  }
  const std::int32_t token = on.targets[blockIdx.x];
  const float maximum = row_maximum<Wide>(row, on.columns);
  const float total = row_sum<Wide>(row, on.columns, maximum);
  if (threadIdx.x == 0) {
    on.sums[blockIdx.x] = total;
    on.target_logits[blockIdx.x] = target_logit(on.columns, row, token, maximum);
  }
  __syncthreads();  // the target's logit is read before it is written over
  RowGradient<T>(on.columns, token, maximum, total, on.scale)
      .template write<Wide>(row, target, on.columns);
}

}  // namespace

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  const std::int64_t rows = args.targets.size(0);
  const Tensor sums(stream.memory(), {2, rows}, DType::float32, MemoryLabel::workspace);
  with_element(args.logits.dtype(), [&]<typename T>() {
    const Whole<T> on = {.logits = args.logits.data<T>(),
                         .targets = args.targets.data<std::int32_t>(),
                         .columns = Columns(args.logits, {.vocabulary = args.vocabulary}),
                         .scale = args.scale,
                         .sums = sums.data<float>(),
                         .target_logits = sums.data<float>() + rows};
    const bool wide = moves_wide({on.logits}, on.columns.all);
    const std::int64_t row_bytes = on.columns.all * size_of(args.logits.dtype());
    Grid grid = softmax_grid(args.logits);
    if (wide && row_bytes % kPieceBytes == 0 && row_bytes <= kMostHeldBytes) {
      grid.shared_bytes = static_cast<std::size_t>(row_bytes);
      launch(stream, kPlace, grid, whole_kernel<true, true, T>, on);
    } else {
      launch(stream, kPlace, grid,
             wide ? whole_kernel<true, false, T> : whole_kernel<false, false, T>, on);
    }
  });
  cuda::cross_entropy_loss(stream, {sums, args.targets, args.loss});
}

}  // namespace stagecraft::cuda
