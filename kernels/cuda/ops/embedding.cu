#include "kernels/ops/embedding.h"

#include <algorithm>

#include "kernels/cuda/ops/dropout.h"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/runtime/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr unsigned kLookupThreads = 64;
constexpr int kLookupRows = 4;  // of a thread: all of them are read before the first is written

template <typename T>
struct Lookup {
  const std::int32_t* tokens;
  const T* table;
  std::int64_t first_token;
  std::int64_t held;
  std::int64_t h;
  T* y;
  std::int64_t rows;
};

template <bool Vectorized, typename T>
__global__ void lookup_kernel(Lookup<T> on) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kLookupThreads + threadIdx.x) * kGroup;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kLookupRows;
  if (column >= on.h) {
    return;
  }
  Packed<T> found[kLookupRows];
#pragma unroll
  for (int r = 0; r < kLookupRows; ++r) {
    const std::int64_t at = on.tokens[min(first + r, on.rows - 1)] - on.first_token;
    const bool held = at >= 0 && at < on.held;
    found[r] = held ? load_packed<Vectorized>(on.table + at * on.h, column, on.h) : Packed<T>{};
  }
#pragma unroll
  for (int r = 0; r < kLookupRows; ++r) {
    if (first + r < on.rows) {
      store_packed<Vectorized>(on.y + (first + r) * on.h, column, on.h, unpacked<T>(found[r]));
    }
  }
}

constexpr unsigned kPositionThreads = 64;
constexpr int kAhead = 16;  // samples that are read before the first is added

/// One group of four columns of one position, over all samples in ascending order.
template <typename T>
struct PositionSums {
  const T* dy;
  std::int64_t samples;
  std::int64_t positions;
  std::int64_t h;
  float* dtable;
  std::int64_t table_rows;
  bool accumulate;
};

template <bool Vectorized, typename T>
__global__ void position_sums_kernel(PositionSums<T> on) {
  const std::int64_t position = blockIdx.x;
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kPositionThreads + threadIdx.x) * kGroup;
  const bool read = position < on.positions;
  if (column >= on.h || (on.accumulate && !read)) {
    return;
  }
  float* const to = on.dtable + position * on.h;
  const float4 before = on.accumulate ? load4<Vectorized>(to, column, on.h) : float4{0, 0, 0, 0};
  float4 sum = {0, 0, 0, 0};
  const std::int64_t samples = read ? on.samples : 0;
  for (std::int64_t first = 0; first < samples; first += kAhead) {
    Packed<T> terms[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const std::int64_t sample = min(first + i, samples - 1);
      terms[i] =
          load_packed<Vectorized>(on.dy + (sample * on.positions + position) * on.h, column, on.h);
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      sum = first + i < samples ? sum + unpacked<T>(terms[i]) : sum;
    }
  }
  store4<Vectorized>(to, column, on.h, on.accumulate ? before + sum : sum);
}

}  // namespace

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args) {
  with_element(args.table.dtype(), [&]<typename T>() {
    const Lookup<T> on = {.tokens = args.tokens.data<std::int32_t>(),
                          .table = args.table.data<T>(),
                          .first_token = args.first_token,
                          .held = args.table.size(0),
                          .h = args.table.size(1),
                          .y = args.y.data<T>(),
                          .rows = args.tokens.size(0)};
    const Grid grid{.blocks = parts_of(on.rows, kLookupRows),
                    .threads = kLookupThreads,
                    .strips = parts_of(on.h, kLookupThreads * kGroup)};
    launch(
        stream, "token_embedding_forward", grid,
        is_vectorizable({on.table, on.y}, on.h) ? lookup_kernel<true, T> : lookup_kernel<false, T>,
        on);
  });
}

void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args) {
  dropout_rows(stream, "position_embedding_forward",
               {.x = args.x,
                .added = args.table,
                .added_rows = args.dropout.rows_per_sample,
                .added_at = args.positions,
                .y = args.y,
                .dropout = args.dropout});
}

void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args) {
  with_element(args.dy.dtype(), [&]<typename T>() {
    const PositionSums<T> on = {.dy = args.dy.data<T>(),
                                .samples = args.dy.size(0) / args.rows_per_sample,
                                .positions = args.rows_per_sample,
                                .h = args.dy.size(1),
                                .dtable = args.dtable.data<float>(),
                                .table_rows = args.dtable.size(0),
                                .accumulate = args.accumulate};
    const Grid grid{.blocks = on.table_rows,
                    .threads = kPositionThreads,
                    .strips = parts_of(on.h, kPositionThreads * kGroup)};
    launch(stream, "position_embedding_backward", grid,
           is_vectorizable({on.dy, on.dtable}, on.h) ? position_sums_kernel<true, T>
                                                     : position_sums_kernel<false, T>,
           on);
  });
}

}  // namespace stagecraft::cuda
