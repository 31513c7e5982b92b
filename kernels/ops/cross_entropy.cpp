#include "kernels/ops/cross_entropy.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

void check_shard(std::string_view where, const VocabularyShard& shard) {
  require(shard.first_token >= 0, where, "first_token is {}: it should not be negative",
          shard.first_token);
  require(shard.vocabulary >= 1, where, "the vocabulary has {} tokens: it should have at least 1",
          shard.vocabulary);
}

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  constexpr std::string_view kWhere = "softmax_maximum";
  check_shard(kWhere, args.shard);
  expect_rank(kWhere, "logits", args.logits, 2,
              compute_dtype(stream, kWhere, "logits", args.logits));
  expect_shape(kWhere, "maximum", args.maximum, {args.logits.size(0)});
  expect_disjoint(kWhere, "maximum", args.maximum, "logits", args.logits);
  dispatch(stream, args);
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  constexpr std::string_view kWhere = "softmax_sum";
  check_shard(kWhere, args.shard);
  expect_rank(kWhere, "logits", args.logits, 2,
              compute_dtype(stream, kWhere, "logits", args.logits));
  const std::int64_t rows = args.logits.size(0);
  expect_shape(kWhere, "maximum", args.maximum, {rows});
  expect_shape(kWhere, "targets", args.targets, {rows}, DType::int32);
  expect_shape(kWhere, "sum_and_target", args.sum_and_target, {2, rows});
  expect_disjoint(kWhere, "sum_and_target", args.sum_and_target, "logits", args.logits);
  expect_disjoint(kWhere, "sum_and_target", args.sum_and_target, "maximum", args.maximum);
  expect_disjoint(kWhere, "sum_and_target", args.sum_and_target, "targets", args.targets);
  dispatch(stream, args);
}

void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args) {
  constexpr std::string_view kWhere = "cross_entropy_loss";
  expect_rank(kWhere, "targets", args.targets, 1, DType::int32);
  expect_shape(kWhere, "sum_and_target", args.sum_and_target, {2, args.targets.size(0)});
  expect_shape(kWhere, "loss", args.loss, {1}, DType::float64);
  expect_disjoint(kWhere, "loss", args.loss, "sum_and_target", args.sum_and_target);
  expect_disjoint(kWhere, "loss", args.loss, "targets", args.targets);
  dispatch(stream, args);
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  constexpr std::string_view kWhere = "softmax_gradient";
  check_shard(kWhere, args.shard);
  expect_rank(kWhere, "logits", args.logits, 2,
              compute_dtype(stream, kWhere, "logits", args.logits));
  const std::int64_t rows = args.logits.size(0);
  expect_shape(kWhere, "maximum", args.maximum, {rows});
  expect_shape(kWhere, "sum_and_target", args.sum_and_target, {2, rows});
  expect_shape(kWhere, "targets", args.targets, {rows}, DType::int32);
  expect_disjoint(kWhere, "logits", args.logits, "maximum", args.maximum);
  expect_disjoint(kWhere, "logits", args.logits, "sum_and_target", args.sum_and_target);
  expect_disjoint(kWhere, "logits", args.logits, "targets", args.targets);
  dispatch(stream, args);
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  constexpr std::string_view kWhere = "softmax_cross_entropy";
  check_shard(kWhere, {.first_token = 0, .vocabulary = args.vocabulary});
  expect_rank(kWhere, "logits", args.logits, 2,
              compute_dtype(stream, kWhere, "logits", args.logits));
  require(args.logits.size(1) >= args.vocabulary, kWhere,
          "logits is {}: the vocabulary has {} tokens", args.logits.shape(), args.vocabulary);
  expect_shape(kWhere, "targets", args.targets, {args.logits.size(0)}, DType::int32);
  expect_shape(kWhere, "loss", args.loss, {1}, DType::float64);
  expect_disjoint(kWhere, "logits", args.logits, "targets", args.targets);
  expect_disjoint(kWhere, "loss", args.loss, "logits", args.logits);
  expect_disjoint(kWhere, "loss", args.loss, "targets", args.targets);
  dispatch(stream, args);
}

}  // namespace stagecraft
