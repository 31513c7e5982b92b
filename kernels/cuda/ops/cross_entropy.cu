// Cross-entropy on CUDA: a row of logits is one block's; sums within it have a fixed order.
#include "kernels/ops/cross_entropy.h"

#include "kernels/cuda/primitives/softmax_row.cuh"

namespace stagecraft::cuda {
namespace {

template <bool Vectorized, typename T>
__global__ void maximum_kernel(const T* logits, Columns columns, float* maximum) {
  const float largest = row_maximum<Vectorized>(logits + blockIdx.x * columns.all, columns);
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

template <bool Vectorized, typename T>
__global__ void sum_kernel(Sum<T> on) {
  const T* const row = on.logits + blockIdx.x * on.columns.all;
  const float maximum = on.maximum[blockIdx.x];
  const float total = row_sum<Vectorized>(row, on.columns, maximum);
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
  total = reduce_threads<kLossThreads, Plus>(total);
  if (threadIdx.x == 0) {
    *loss = total;
  }
}

template <typename T>
struct Gradient {
  T* logits;
  const float* maximum;
  const float* sums;
  const std::int32_t* targets;
  Columns columns;
  float scale;
};

template <bool Vectorized, typename T>
__global__ void gradient_kernel(Gradient<T> on) {
  const RowGradient gradient(on.columns, on.targets[blockIdx.x], on.sums[blockIdx.x], on.scale);
  T* const row = on.logits + blockIdx.x * on.columns.all;
  gradient.write<Vectorized>(row, row, {}, Exponential<T>(on.maximum[blockIdx.x]));
}

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  const Columns columns(args.logits, args.shard);
  with_element(args.logits.dtype(), [&]<typename T>() {
    const T* logits = args.logits.data<T>();
    launch(
        stream, "softmax_maximum", softmax_grid(args.logits),
        is_vectorizable({logits}, columns.all) ? maximum_kernel<true, T> : maximum_kernel<false, T>,
        logits, columns, args.maximum.data<float>());
  });
}

/// The CPU refuses a target that is no token; here the host does not look, and the row's target
/// logit becomes NaN, and so the loss.
void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  auto* const sums = args.sum_and_target.data<float>();
  with_element(args.logits.dtype(), [&]<typename T>() {
    const Sum<T> on = {.logits = args.logits.data<T>(),
                       .maximum = args.maximum.data<float>(),
                       .targets = args.targets.data<std::int32_t>(),
                       .columns = Columns(args.logits, args.shard),
                       .sums = sums,
                       .target_logits = sums + args.logits.size(0)};
    launch(
        stream, "softmax_sum", softmax_grid(args.logits),
        is_vectorizable({on.logits}, on.columns.all) ? sum_kernel<true, T> : sum_kernel<false, T>,
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
    const bool vectorized = is_vectorizable({on.logits}, on.columns.all);
    launch(stream, "softmax_gradient", softmax_grid(args.logits),
           vectorized ? gradient_kernel<true, T> : gradient_kernel<false, T>, on);
  });
}

}  // namespace stagecraft::cuda
