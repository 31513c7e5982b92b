#include "kernels/cuda/cross_entropy.h"

#include <algorithm>
#include <limits>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr int kThreads = 512;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// A row's local logits: tokens first, padding after.
struct Columns {
  Columns(const Tensor& logits, const VocabularyShard& shard)
      : all(logits.size(1)),
        tokens(std::clamp<std::int64_t>(shard.vocabulary - shard.first_token, 0, all)),
        first_token(shard.first_token),
        vocabulary(shard.vocabulary) {}

  /// Whether this shard holds the target; an ignored one is held by none.
  __device__ bool holds(std::int32_t target) const {
    return target >= first_token && target - first_token < tokens;
  }
  __device__ bool is_token(std::int32_t target) const { return target >= 0 && target < vocabulary; }

  std::int64_t all;
  std::int64_t tokens;
  std::int64_t first_token;
  std::int64_t vocabulary;
};

/// bfloat16 has no use for more than the fast function gives.
template <typename T>
__device__ float exponential(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return expf(x);
  } else {
    return __expf(x);
  }
}

/// Of the block's row; every thread gets it.
template <bool Wide, typename T>
__device__ float row_maximum(const T* row, const Columns& columns) {
  const Larger larger;
  float largest = kLowest;
#pragma unroll 4
  for (std::int64_t at = threadIdx.x * kGroup; at < columns.tokens; at += kThreads * kGroup) {
    const float4 v = load4<Wide>(row, at, columns.tokens, kLowest);
    largest = larger(larger(larger(v.x, v.y), larger(v.z, v.w)), largest);
  }
  return join_threads<kThreads, Larger>(largest);
}

template <bool Wide, typename T>
__device__ float row_sum(const T* row, const Columns& columns, float maximum) {
  float total = 0;
#pragma unroll 4
  for (std::int64_t at = threadIdx.x * kGroup; at < columns.tokens; at += kThreads * kGroup) {
    const float4 v = load4<Wide>(row, at, columns.tokens, kLowest) - maximum;
    total +=
        (exponential<T>(v.x) + exponential<T>(v.y)) + (exponential<T>(v.z) + exponential<T>(v.w));
  }
  return join_threads<kThreads, Plus>(total);
}

template <bool Wide, typename T>
__global__ void maximum_kernel(const T* logits, Columns columns, float* maximum) {
  const float largest = row_maximum<Wide>(logits + blockIdx.x * columns.all, columns);
  if (threadIdx.x == 0) {
    maximum[blockIdx.x] = largest;
  }
}

template <typename T>
struct Sum {
  const T* logits;
  const float* maximum;
  const std::int32_t* targets;
  Columns columns;
  float* sums;
  float* target_logits;
};

template <typename T>
__device__ float target_logit(const Columns& columns, const T* row, std::int32_t target,
                              float maximum) {
  if (columns.holds(target)) {
    return widened(row[target - columns.first_token]) - maximum;
  }
  return target == kIgnoredTarget || columns.is_token(target)
             ? 0.0F
             : std::numeric_limits<float>::quiet_NaN();
}

template <bool Wide, typename T>
__global__ void sum_kernel(Sum<T> on) {
  const T* const row = on.logits + blockIdx.x * on.columns.all;
  const float maximum = on.maximum[blockIdx.x];
  const float total = row_sum<Wide>(row, on.columns, maximum);
  if (threadIdx.x == 0) {
    on.sums[blockIdx.x] = total;
    on.target_logits[blockIdx.x] = target_logit(on.columns, row, on.targets[blockIdx.x], maximum);
  }
}

constexpr int kLossThreads = 1024;

/// One block: a number a row is little, and the order of the sum is plain.
__global__ void loss_kernel(const float* sums, const float* target_logits,
                            const std::int32_t* targets, std::int64_t rows, double* loss) {
  double total = 0;
  for (std::int64_t row = threadIdx.x; row < rows; row += kLossThreads) {
    if (targets[row] != kIgnoredTarget) {
      total += log(static_cast<double>(sums[row])) - static_cast<double>(target_logits[row]);
    }
  }
  total = join_threads<kLossThreads, Plus>(total);
  if (threadIdx.x == 0) {
    *loss = total;
  }
}

/// What a row's gradient is computed with.
struct RowGradient {
  __device__ RowGradient(const Columns& columns, std::int32_t token, float maximum, float sum,
                         float scaled_by)
      : top(maximum),
        scale(scaled_by),
        factor(scaled_by / sum),
        counted(token == kIgnoredTarget ? 0 : columns.tokens),
        target(token - columns.first_token) {}

  template <typename T>
  __device__ float of(float logit, std::int64_t column) const {
    if (column >= counted) {
      return 0;
    }
    const float value = exponential<T>(logit - top) * factor;
    return column == target ? value - scale : value;
  }

  /// Of the logits in `row`; `to` may be `row`.
  template <bool Wide, typename T>
  __device__ void write(const T* row, T* to, const Columns& columns) const {
#pragma unroll 4
    for (std::int64_t at = threadIdx.x * kGroup; at < columns.all; at += kThreads * kGroup) {
      const float4 v = load4<Wide>(row, at, columns.all);
      store4<Wide>(to, at, columns.all,
                   {of<T>(v.x, at), of<T>(v.y, at + 1), of<T>(v.z, at + 2), of<T>(v.w, at + 3)});
    }
  }

  float top;
  float scale;
  float factor;
  std::int64_t counted;  // columns that get a gradient
  std::int64_t target;
};

template <typename T>
struct Gradient {
  T* logits;
  const float* maximum;
  const float* sums;
  const std::int32_t* targets;
  Columns columns;
  float scale;
};

template <bool Wide, typename T>
__global__ void gradient_kernel(Gradient<T> on) {
  const RowGradient gradient(on.columns, on.targets[blockIdx.x], on.maximum[blockIdx.x],
                             on.sums[blockIdx.x], on.scale);
  T* const row = on.logits + blockIdx.x * on.columns.all;
  gradient.write<Wide>(row, row, on.columns);
}

template <typename T>
struct Whole {
  T* logits;
  const std::int32_t* targets;
  Columns columns;
  float scale;
  float* sums;
  float* target_logits;
};

/// A block's row in shared memory, where it is short enough for two blocks to fit in.
constexpr std::int64_t kMostHeldBytes = 110 << 10;

/// The row comes from memory once: it is held in shared memory or, a longer one, likely found in
/// the cache the second and the third time.
template <bool Wide, bool Held, typename T>
__global__ void __launch_bounds__(kThreads) whole_kernel(Whole<T> on) {
  extern __shared__ float4 shared[];
  T* const target = on.logits + blockIdx.x * on.columns.all;
  T* row = target;
  if constexpr (Held) {
    row = reinterpret_cast<T*>(shared);
#pragma unroll 4
    for (std::int64_t at = threadIdx.x * kGroup; at < on.columns.all; at += kThreads * kGroup) {
      store4<Wide>(row, at, on.columns.all, load4<Wide>(target, at, on.columns.all));
    }
  }
  const std::int32_t token = on.targets[blockIdx.x];
  // Each thread has so far read and written the same elements; joining the maxima makes all of them
  // seen by all.
  const float maximum = row_maximum<Wide>(row, on.columns);
  const float total = row_sum<Wide>(row, on.columns, maximum);
  if (threadIdx.x == 0) {
    on.sums[blockIdx.x] = total;
    on.target_logits[blockIdx.x] = target_logit(on.columns, row, token, maximum);
  }
  __syncthreads();  // the target's logit is read before it is written over
  RowGradient(on.columns, token, maximum, total, on.scale).write<Wide>(row, target, on.columns);
}

Grid grid_of(const Tensor& logits) { return {.blocks = logits.size(0), .threads = kThreads}; }

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  const Columns columns(args.logits, args.shard);
  with_element(args.logits.dtype(), [&]<typename T>() {
    const T* logits = args.logits.data<T>();
    launch(stream, "softmax_maximum", grid_of(args.logits),
           moves_wide({logits}, columns.all) ? maximum_kernel<true, T> : maximum_kernel<false, T>,
           logits, columns, args.maximum.data<float>());
  });
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  auto* const sums = args.sum_and_target.data<float>();
  with_element(args.logits.dtype(), [&]<typename T>() {
    const Sum<T> on = {.logits = args.logits.data<T>(),
                       .maximum = args.maximum.data<float>(),
                       .targets = args.targets.data<std::int32_t>(),
                       .columns = Columns(args.logits, args.shard),
                       .sums = sums,
                       .target_logits = sums + args.logits.size(0)};
    launch(stream, "softmax_sum", grid_of(args.logits),
           moves_wide({on.logits}, on.columns.all) ? sum_kernel<true, T> : sum_kernel<false, T>,
           on);
  });
}

void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args) {
  const std::int64_t rows = args.targets.size(0);
  const auto* sums = args.sum_and_target.data<float>();
  launch(stream, "cross_entropy_loss", {.blocks = 1, .threads = kLossThreads}, loss_kernel, sums,
         sums + rows, args.targets.data<std::int32_t>(), rows, args.loss.data<double>());
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  with_element(args.logits.dtype(), [&]<typename T>() {
    const Gradient<T> on = {.logits = args.logits.data<T>(),
                            .maximum = args.maximum.data<float>(),
                            .sums = args.sum_and_target.data<float>(),
                            .targets = args.targets.data<std::int32_t>(),
                            .columns = Columns(args.logits, args.shard),
                            .scale = args.scale};
    const bool wide = moves_wide({on.logits}, on.columns.all);
    launch(stream, "softmax_gradient", grid_of(args.logits),
           wide ? gradient_kernel<true, T> : gradient_kernel<false, T>, on);
  });
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  constexpr std::string_view kPlace = "softmax_cross_entropy";
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
    Grid grid = grid_of(args.logits);
    if (wide && row_bytes <= kMostHeldBytes) {
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
