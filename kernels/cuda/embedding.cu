#include "kernels/cuda/embedding.h"

#include <algorithm>

#include "kernels/cuda/dropout.h"
#include "kernels/cuda/for_each_group.cuh"
#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr unsigned kThreads = 128;

template <typename T>
struct Lookup {
  const std::int32_t* tokens;
  const T* table;
  std::int64_t first_token;
  std::int64_t held;
  std::int64_t h;
  T* y;
};

template <bool Wide, typename T>
__global__ void lookup_kernel(Lookup<T> on) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t at = on.tokens[row] - on.first_token;
  const bool held = at >= 0 && at < on.held;
  for (std::int64_t column = threadIdx.x * kGroup; column < on.h; column += kThreads * kGroup) {
    const float4 value =
        held ? load4<Wide>(on.table + at * on.h, column, on.h) : float4{0, 0, 0, 0};
    store4<Wide>(on.y + row * on.h, column, on.h, value);
  }
}

constexpr unsigned kPositionThreads = 64;
constexpr int kAhead = 8;  // samples that are read before the first is added

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

template <bool Wide, typename T>
__global__ void position_sums_kernel(PositionSums<T> on) {
  const std::int64_t position = blockIdx.x;
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kPositionThreads + threadIdx.x) * kGroup;
  const bool read = position < on.positions;
  if (column >= on.h || (on.accumulate && !read)) {
    return;
  }
  float4 sum = {0, 0, 0, 0};
  const std::int64_t samples = read ? on.samples : 0;
  for (std::int64_t first = 0; first < samples; first += kAhead) {
    Packed<T> terms[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const std::int64_t sample = min(first + i, samples - 1);
      terms[i] = load_packed<Wide>(on.dy + (sample * on.positions + position) * on.h, column, on.h);
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      sum = first + i < samples ? sum + unpacked<T>(terms[i]) : sum;
    }
  }
  float* const to = on.dtable + position * on.h;
  store4<Wide>(to, column, on.h, on.accumulate ? load4<Wide>(to, column, on.h) + sum : sum);
}

}  // namespace

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args) {
  with_element(args.table.dtype(), [&]<typename T>() {
    const Lookup<T> on = {.tokens = args.tokens.data<std::int32_t>(),
                          .table = args.table.data<T>(),
                          .first_token = args.first_token,
                          .held = args.table.size(0),
                          .h = args.table.size(1),
                          .y = args.y.data<T>()};
    launch(stream, "token_embedding_forward", {.blocks = args.tokens.size(0), .threads = kThreads},
           moves_wide({on.table, on.y}, on.h) ? lookup_kernel<true, T> : lookup_kernel<false, T>,
           on);
  });
}

void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args) {
  dropout_rows(stream, "position_embedding_forward",
               {.x = args.x,
                .added = args.table,
                .added_rows = args.dropout.rows_per_sample,
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
           moves_wide({on.dy, on.dtable}, on.h) ? position_sums_kernel<true, T>
                                                : position_sums_kernel<false, T>,
           on);
  });
}

}  // namespace stagecraft::cuda
