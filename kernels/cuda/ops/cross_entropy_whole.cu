// Loss and gradient of a whole vocabulary, by one kernel.
#include <cuda_pipeline.h>

#include "kernels/cuda/primitives/softmax_row.cuh"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "softmax_cross_entropy";

template <typename T>
struct Whole {
  T* logits;
  std::int64_t rows;
  const std::int32_t* targets;
  Columns columns;
  float scale;
  float* sums;
  float* target_logits;
};

/// Copies `columns` elements, a multiple of four, into shared memory.
template <typename T>
__device__ void hold_row(const T* row, std::int64_t columns, float4* held) {
  const auto pieces = static_cast<std::uint32_t>(columns * sizeof(T) / sizeof(float4));
  for (std::uint32_t piece = threadIdx.x; piece < pieces; piece += kSoftmaxThreads) {
    __pipeline_memcpy_async(held + piece, reinterpret_cast<const float4*>(row) + piece,
                            sizeof(float4));
  }
  __pipeline_commit();
  __pipeline_wait_prior(0);
  __syncthreads();
}

/// A block a row, which comes from memory once: it is held in shared memory or, a longer one,
/// likely found in the cache the second and the third time.
template <bool Vectorized, bool Held, typename T>
__global__ void __launch_bounds__(kSoftmaxThreads) row_kernel(Whole<T> on) {
  extern __shared__ float4 shared[];
  T* const target = on.logits + blockIdx.x * on.columns.all;
  const T* row = target;
  if constexpr (Held) {
    hold_row(target, on.columns.all, shared);
    row = reinterpret_cast<const T*>(shared);
  }
  const std::int32_t token = on.targets[blockIdx.x];
  const float maximum = row_maximum<Vectorized>(row, on.columns);
  const float total = row_sum<Vectorized>(row, on.columns, maximum);
  if (threadIdx.x == 0) {
    on.sums[blockIdx.x] = total;
    on.target_logits[blockIdx.x] = target_logit(on.columns, row, token, maximum);
  }
  __syncthreads();  // the target's logit is read before it is written over
  RowGradient(on.columns, token, total, on.scale)
      .write<Vectorized>(row, target, {}, Exponential<T>(maximum));
}

/// A row that is followed by others is copied, and gives its place to the next one, in so many
/// pieces.
constexpr unsigned kPieces = 4;

struct Pieces {
  __device__ explicit Pieces(const Columns& columns)
      : groups(static_cast<std::uint32_t>(columns.all / kGroup)),
        each((groups + kPieces * kSoftmaxThreads - 1) / (kPieces * kSoftmaxThreads) *
             kSoftmaxThreads) {}

  __device__ ColumnRange operator[](unsigned piece) const {
    return {min(piece * each, groups), min((piece + 1) * each, groups)};
  }

  std::uint32_t groups;
  std::uint32_t each;
};

/// Begins to copy this thread's groups.
template <typename T>
__device__ void start_copy(T* held, const T* row, ColumnRange range) {
  for (std::uint32_t group = range.first + threadIdx.x; group < range.end;
       group += kSoftmaxThreads) {
    __pipeline_memcpy_async(held + group * kGroup, row + group * kGroup, sizeof(Packed<T>));
  }
  __pipeline_commit();
}

/// Rows of which a multiprocessor holds one, and no other block could read while it computes: a
/// block a multiprocessor takes rows in turn, and while it writes a row's gradient, it reads the
/// next row into the places that become free. A thread copies, reads and writes its own groups.
template <typename T>
__global__ void __launch_bounds__(kSoftmaxThreads) rows_kernel(Whole<T> on) {
  constexpr bool kWide = true;
  extern __shared__ float4 shared[];
  T* const held = reinterpret_cast<T*>(shared);
  const Pieces pieces(on.columns);
  for (unsigned piece = 0; piece < kPieces; ++piece) {
    start_copy(held, on.logits + blockIdx.x * on.columns.all, pieces[piece]);
  }
  for (std::int64_t row = blockIdx.x; row < on.rows; row += gridDim.x) {
    float largest = kLowest;
#pragma unroll
    for (unsigned piece = 0; piece < kPieces; ++piece) {
      __pipeline_wait_prior(kPieces - 1 - piece);
      largest = larger_of_row<kWide>(held, on.columns, pieces[piece], largest);
    }
    const float maximum = reduce_threads<kSoftmaxThreads, Larger>(largest);
    const std::int32_t token = on.targets[row];
    const bool has_target = on.columns.holds(token)
                                ? token / kGroup % kSoftmaxThreads == threadIdx.x
                                : threadIdx.x == 0;
    if (has_target) {
      on.target_logits[row] = target_logit(on.columns, held, token, maximum);
    }
    // float32: exponentials take the place of their logits, so that each is computed once.
    const float total =
        row_sum<kWide>(held, on.columns, maximum, [&](const float4& e, std::int64_t at) {
          if constexpr (std::is_same_v<T, float>) {
            store_group(held + at, e);
          }
        });
    if (threadIdx.x == 0) {
      on.sums[row] = total;
    }
    const RowGradient gradient(on.columns, token, total, on.scale);
    T* const to = on.logits + row * on.columns.all;
    const T* const next = to + gridDim.x * on.columns.all;
    for (unsigned piece = 0; piece < kPieces; ++piece) {
      if constexpr (std::is_same_v<T, float>) {
        gradient.write<kWide>(held, to, pieces[piece], [](float e) { return e; });
      } else {
        gradient.write<kWide>(held, to, pieces[piece], Exponential<T>(maximum));
      }
      __syncthreads();  // the piece has been read
      if (row + gridDim.x < on.rows) {
        start_copy(held, next, pieces[piece]);
      }
    }
  }
}

int attribute_of(const Stream& stream, cudaDeviceAttr attribute) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, attribute, stream.device().index), kWhere);
  return value;
}

/// How many rows of so many bytes a multiprocessor holds in shared memory.
std::int64_t rows_held(const Stream& stream, std::int64_t row_bytes) {
  constexpr std::int64_t kOwn = 2 << 10;  // what a block has there besides, and the device's part
  if (row_bytes + kOwn > attribute_of(stream, cudaDevAttrMaxSharedMemoryPerBlockOptin)) {
    return 0;
  }
  return attribute_of(stream, cudaDevAttrMaxSharedMemoryPerMultiprocessor) / (row_bytes + kOwn);
}

}  // namespace

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  const std::int64_t rows = args.targets.size(0);
  const Tensor sums(stream.memory(), {2, rows}, DType::float32, MemoryLabel::workspace);
  with_element(args.logits.dtype(), [&]<typename T>() {
    const Whole<T> on = {.logits = args.logits.data<T>(),
                         .rows = rows,
                         .targets = args.targets.data<std::int32_t>(),
                         .columns = Columns(args.logits, {.vocabulary = args.vocabulary}),
                         .scale = args.scale,
                         .sums = sums.data<float>(),
                         .target_logits = sums.data<float>() + rows};
    const bool vectorized = is_vectorizable({on.logits}, on.columns.all);
    const std::int64_t row_bytes = on.columns.all * size_of(args.logits.dtype());
    const std::int64_t held =
        vectorized && row_bytes % sizeof(float4) == 0 ? rows_held(stream, row_bytes) : 0;
    Grid grid = softmax_grid(args.logits);
    if (held == 0) {
      launch(stream, kWhere, grid,
             vectorized ? row_kernel<true, false, T> : row_kernel<false, false, T>, on);
      return;
    }
    grid.shared_bytes = static_cast<std::size_t>(row_bytes);
    if (held > 1) {
      launch(stream, kWhere, grid, row_kernel<true, true, T>, on);
    } else {
      grid.blocks =
          std::min<std::int64_t>(rows, attribute_of(stream, cudaDevAttrMultiProcessorCount));
      launch(stream, kWhere, grid, rows_kernel<T>, on);
    }
  });
  dispatch(stream, CrossEntropyLoss{sums, args.targets, args.loss});
}

}  // namespace stagecraft::cuda
