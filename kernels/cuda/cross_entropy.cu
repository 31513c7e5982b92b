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

template <bool Wide>
__global__ void maximum_kernel(const float* logits, Columns columns, float* maximum) {
  const float* const row = logits + blockIdx.x * columns.all;
  const Larger larger;
  float largest = kLowest;
#pragma unroll 4
  for (std::int64_t at = threadIdx.x * kGroup; at < columns.tokens; at += kThreads * kGroup) {
    const float4 v = load4<Wide>(row, at, columns.tokens, kLowest);
    largest = larger(larger(larger(v.x, v.y), larger(v.z, v.w)), largest);
  }
  largest = join_threads<kThreads, Larger>(largest);
  if (threadIdx.x == 0) {
    maximum[blockIdx.x] = largest;
  }
}

struct Sum {
  const float* logits;
  const float* maximum;
  const std::int32_t* targets;
  Columns columns;
  float* sums;
  float* target_logits;
};

__device__ float target_logit(const Sum& on, const float* row, float maximum) {
  const std::int32_t target = on.targets[blockIdx.x];
  if (on.columns.holds(target)) {
    return row[target - on.columns.first_token] - maximum;
  }
  return target == kIgnoredTarget || on.columns.is_token(target)
             ? 0.0F
             : std::numeric_limits<float>::quiet_NaN();
}

template <bool Wide>
__global__ void sum_kernel(Sum on) {
  const float* const row = on.logits + blockIdx.x * on.columns.all;
  const float maximum = on.maximum[blockIdx.x];
  float total = 0;
#pragma unroll 4
  for (std::int64_t at = threadIdx.x * kGroup; at < on.columns.tokens; at += kThreads * kGroup) {
    const float4 v = load4<Wide>(row, at, on.columns.tokens, kLowest) - maximum;
    total += (expf(v.x) + expf(v.y)) + (expf(v.z) + expf(v.w));
  }
  total = join_threads<kThreads, Plus>(total);
  if (threadIdx.x == 0) {
    on.sums[blockIdx.x] = total;
    on.target_logits[blockIdx.x] = target_logit(on, row, maximum);
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

struct Gradient {
  float* logits;
  const float* maximum;
  const float* sums;
  const std::int32_t* targets;
  Columns columns;
  float scale;

  /// `factor` is scale / sum; `counted` columns get a gradient.
  __device__ float of(float logit, std::int64_t column, float top, float factor,
                      std::int64_t counted, std::int64_t target) const {
    if (column >= counted) {
      return 0;
    }
    const float value = expf(logit - top) * factor;
    return column == target ? value - scale : value;
  }
};

template <bool Wide>
__global__ void gradient_kernel(Gradient on) {
  float* const row = on.logits + blockIdx.x * on.columns.all;
  const float top = on.maximum[blockIdx.x];
  const float factor = on.scale / on.sums[blockIdx.x];
  const std::int32_t token = on.targets[blockIdx.x];
  const std::int64_t counted = token == kIgnoredTarget ? 0 : on.columns.tokens;
  const std::int64_t target = token - on.columns.first_token;
  for (std::int64_t at = threadIdx.x * kGroup; at < on.columns.all; at += kThreads * kGroup) {
    const float4 v = load4<Wide>(row, at, on.columns.all);
    store4<Wide>(row, at, on.columns.all,
                 {on.of(v.x, at, top, factor, counted, target),
                  on.of(v.y, at + 1, top, factor, counted, target),
                  on.of(v.z, at + 2, top, factor, counted, target),
                  on.of(v.w, at + 3, top, factor, counted, target)});
  }
}

Grid grid_of(const Tensor& logits) { return {.blocks = logits.size(0), .threads = kThreads}; }

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  const auto* logits = args.logits.data<float>();
  const Columns columns(args.logits, args.shard);
  launch(stream, "softmax_maximum", grid_of(args.logits),
         moves_wide({logits}, columns.all) ? maximum_kernel<true> : maximum_kernel<false>, logits,
         columns, args.maximum.data<float>());
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  auto* const sums = args.sum_and_target.data<float>();
  const Sum on = {.logits = args.logits.data<float>(),
                  .maximum = args.maximum.data<float>(),
                  .targets = args.targets.data<std::int32_t>(),
                  .columns = Columns(args.logits, args.shard),
                  .sums = sums,
                  .target_logits = sums + args.logits.size(0)};
  launch(stream, "softmax_sum", grid_of(args.logits),
         moves_wide({on.logits}, on.columns.all) ? sum_kernel<true> : sum_kernel<false>, on);
}

void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args) {
  const std::int64_t rows = args.targets.size(0);
  const auto* sums = args.sum_and_target.data<float>();
  launch(stream, "cross_entropy_loss", {.blocks = 1, .threads = kLossThreads}, loss_kernel, sums,
         sums + rows, args.targets.data<std::int32_t>(), rows, args.loss.data<double>());
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  const Gradient on = {.logits = args.logits.data<float>(),
                       .maximum = args.maximum.data<float>(),
                       .sums = args.sum_and_target.data<float>(),
                       .targets = args.targets.data<std::int32_t>(),
                       .columns = Columns(args.logits, args.shard),
                       .scale = args.scale};
  launch(stream, "softmax_gradient", grid_of(args.logits),
         moves_wide({on.logits}, on.columns.all) ? gradient_kernel<true> : gradient_kernel<false>,
         on);
}

}  // namespace stagecraft::cuda
