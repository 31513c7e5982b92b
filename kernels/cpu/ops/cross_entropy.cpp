// Cross-entropy on the CPU: a piece is a few rows of logits; sums within a row have a fixed order.
#include "kernels/ops/cross_entropy.h"

#include <cmath>

#include "kernels/cpu/primitives/row_softmax.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::cpu {
namespace {

/// The local columns that stand for tokens; those behind them are padding.
std::int64_t token_columns(const VocabularyShard& shard, std::int64_t columns) {
  return std::clamp<std::int64_t>(shard.vocabulary - shard.first_token, 0, columns);
}

/// Calls f(row) for every row of `logits`; a piece is as many rows as are worth a thread's while.
template <typename F>
void for_each_row(Stream& stream, const Tensor& logits, F&& f) {
  constexpr std::int64_t kNumbers = 16384;
  const std::int64_t block =
      std::max<std::int64_t>(1, kNumbers / std::max<std::int64_t>(1, logits.size(1)));
  for_each_range(stream, logits.size(0), block, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      f(row);
    }
  });
}

/// The kernels look for a target in every shard: one that is in none would go unnoticed.
void check_targets(const Tensor& targets, const VocabularyShard& shard) {
  const auto* target = targets.data<std::int32_t>();
  for (std::int64_t row = 0; row < targets.size(0); ++row) {
    require(target[row] == kIgnoredTarget || (target[row] >= 0 && target[row] < shard.vocabulary),
            "softmax_sum", "the target of row {} is {}: tokens are 0 .. {}, and {} is ignored", row,
            target[row], shard.vocabulary - 1, kIgnoredTarget);
  }
}

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  const auto* logits = args.logits.data<float>();
  auto* maximum = args.maximum.data<float>();
  const std::int64_t columns = args.logits.size(1);
  const std::int64_t tokens = token_columns(args.shard, columns);
  for_each_row(stream, args.logits, [&](std::int64_t row) {
    maximum[row] = row_maximum(logits + row * columns, tokens);
  });
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  check_targets(args.targets, args.shard);
  const auto* logits = args.logits.data<float>();
  const auto* maximum = args.maximum.data<float>();
  const auto* targets = args.targets.data<std::int32_t>();
  auto* sum = args.sum_and_target.data<float>();
  auto* target_logit = sum + args.logits.size(0);
  const std::int64_t columns = args.logits.size(1);
  const std::int64_t tokens = token_columns(args.shard, columns);
  for_each_row(stream, args.logits, [&](std::int64_t row) {
    const float* const of_row = logits + row * columns;
    sum[row] = row_sum_of_exp(of_row, tokens, maximum[row]);
    const std::int64_t target = targets[row] - args.shard.first_token;
    const bool held = targets[row] != kIgnoredTarget && target >= 0 && target < tokens;
    target_logit[row] = held ? of_row[target] - maximum[row] : 0.0F;
  });
}

void cross_entropy_loss(Stream& /*stream*/, const CrossEntropyLoss& args) {
  const auto* sum = args.sum_and_target.data<float>();
  const auto* targets = args.targets.data<std::int32_t>();
  const std::int64_t rows = args.targets.size(0);
  double loss = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (targets[row] != kIgnoredTarget) {
      loss += std::log(static_cast<double>(sum[row])) - static_cast<double>(sum[rows + row]);
    }
  }
  *args.loss.data<double>() = loss;
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  auto* logits = args.logits.data<float>();
  const auto* maximum = args.maximum.data<float>();
  const auto* sum = args.sum_and_target.data<float>();
  const auto* targets = args.targets.data<std::int32_t>();
  const std::int64_t columns = args.logits.size(1);
  const std::int64_t tokens = token_columns(args.shard, columns);
  for_each_row(stream, args.logits, [&](std::int64_t row) {
    float* const of_row = logits + row * columns;
    const std::int64_t counted = targets[row] == kIgnoredTarget ? 0 : tokens;
    row_scaled_exp(of_row, counted, maximum[row], args.scale / sum[row]);
    std::fill(of_row + counted, of_row + columns, 0.0F);
    const std::int64_t target = targets[row] - args.shard.first_token;
    if (target >= 0 && target < counted) {
      of_row[target] -= args.scale;
    }
  });
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  const std::int64_t rows = args.targets.size(0);
  const VocabularyShard shard{.first_token = 0, .vocabulary = args.vocabulary};
  const Tensor maximum(stream.memory(), {rows}, DType::float32, MemoryLabel::workspace);
  const Tensor sums(stream.memory(), {2, rows}, DType::float32, MemoryLabel::workspace);
  dispatch(stream, SoftmaxMaximum{args.logits, shard, maximum});
  dispatch(stream, SoftmaxSum{args.logits, maximum, args.targets, shard, sums});
  dispatch(stream, CrossEntropyLoss{sums, args.targets, args.loss});
  dispatch(stream, SoftmaxGradient{args.logits, maximum, sums, args.targets, shard, args.scale});
}

}  // namespace stagecraft::cpu
