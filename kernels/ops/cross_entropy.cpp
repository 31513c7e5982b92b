#include "kernels/ops/cross_entropy.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {
namespace {

void check_shard(std::string_view place, const VocabularyShard& shard) {
  require(shard.first_token >= 0, place, "first_token is {}: it should not be negative",
          shard.first_token);
  require(shard.vocabulary >= 1, place, "the vocabulary has {} tokens: it should have at least 1",
          shard.vocabulary);
}

}  // namespace

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  constexpr std::string_view kPlace = "softmax_maximum";
  check_shard(kPlace, args.shard);
  expect_rank(kPlace, "logits", args.logits, 2,
              computed_dtype(stream, kPlace, "logits", args.logits));
  expect_shape(kPlace, "maximum", args.maximum, {args.logits.size(0)});
  expect_apart(kPlace, "maximum", args.maximum, "logits", args.logits);
  stream.ops().softmax_maximum(stream, args);
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  constexpr std::string_view kPlace = "softmax_sum";
  check_shard(kPlace, args.shard);
  expect_rank(kPlace, "logits", args.logits, 2,
              computed_dtype(stream, kPlace, "logits", args.logits));
  const std::int64_t rows = args.logits.size(0);
  expect_shape(kPlace, "maximum", args.maximum, {rows});
  expect_shape(kPlace, "targets", args.targets, {rows}, DType::int32);
  expect_shape(kPlace, "sum_and_target", args.sum_and_target, {2, rows});
  expect_apart(kPlace, "sum_and_target", args.sum_and_target, "logits", args.logits);
  expect_apart(kPlace, "sum_and_target", args.sum_and_target, "maximum", args.maximum);
  expect_apart(kPlace, "sum_and_target", args.sum_and_target, "targets", args.targets);
  stream.ops().softmax_sum(stream, args);
}

void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args) {
  constexpr std::string_view kPlace = "cross_entropy_loss";
  expect_rank(kPlace, "targets", args.targets, 1, DType::int32);
  expect_shape(kPlace, "sum_and_target", args.sum_and_target, {2, args.targets.size(0)});
  expect_shape(kPlace, "loss", args.loss, {1}, DType::float64);
  expect_apart(kPlace, "loss", args.loss, "sum_and_target", args.sum_and_target);
  expect_apart(kPlace, "loss", args.loss, "targets", args.targets);
  stream.ops().cross_entropy_loss(stream, args);
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  constexpr std::string_view kPlace = "softmax_gradient";
  check_shard(kPlace, args.shard);
  expect_rank(kPlace, "logits", args.logits, 2,
              computed_dtype(stream, kPlace, "logits", args.logits));
  const std::int64_t rows = args.logits.size(0);
  expect_shape(kPlace, "maximum", args.maximum, {rows});
  expect_shape(kPlace, "sum_and_target", args.sum_and_target, {2, rows});
  expect_shape(kPlace, "targets", args.targets, {rows}, DType::int32);
  expect_apart(kPlace, "logits", args.logits, "maximum", args.maximum);
  expect_apart(kPlace, "logits", args.logits, "sum_and_target", args.sum_and_target);
  expect_apart(kPlace, "logits", args.logits, "targets", args.targets);
  stream.ops().softmax_gradient(stream, args);
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  constexpr std::string_view kPlace = "softmax_cross_entropy";
  check_shard(kPlace, {.first_token = 0, .vocabulary = args.vocabulary});
  expect_rank(kPlace, "logits", args.logits, 2,
              computed_dtype(stream, kPlace, "logits", args.logits));
  require(args.logits.size(1) >= args.vocabulary, kPlace,
          "logits is {}: the vocabulary has {} tokens", to_string(args.logits.shape()),
          args.vocabulary);
  expect_shape(kPlace, "targets", args.targets, {args.logits.size(0)}, DType::int32);
  expect_shape(kPlace, "loss", args.loss, {1}, DType::float64);
  expect_apart(kPlace, "logits", args.logits, "targets", args.targets);
  expect_apart(kPlace, "loss", args.loss, "logits", args.logits);
  expect_apart(kPlace, "loss", args.loss, "targets", args.targets);
  stream.ops().softmax_cross_entropy(stream, args);
}

}  // namespace stagecraft
