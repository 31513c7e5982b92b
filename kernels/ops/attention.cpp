#include "kernels/ops/attention.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {
namespace {

void check_dropout(std::string_view place, const AttentionShape& shape) {
  const float probability = shape.dropout.probability;
  require(probability >= 0 && probability < 1, place,
          "the dropout probability is {}: it should be in [0, 1)", probability);
  constexpr std::int64_t kMost = std::int64_t{1} << 34;
  const std::int64_t heads = shape.first_head + shape.heads;
  require(probability == 0 || heads <= kMost / shape.sequence / shape.sequence, place,
          "a sample of {} heads over {} tokens has more than 2^34 probabilities", heads,
          shape.sequence);
}

void check_shape(std::string_view place, const AttentionShape& shape) {
  require(shape.samples >= 1 && shape.sequence >= 1 && shape.heads >= 1 && shape.head_size >= 1,
          place, "{} samples of {} tokens with {} heads of {} numbers: each should be at least 1",
          shape.samples, shape.sequence, shape.heads, shape.head_size);
  require(shape.first_head >= 0, place, "first_head is {}: it should not be negative",
          shape.first_head);
  check_dropout(place, shape);
}

Shape out_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, shape.heads * shape.head_size};
}

Shape qkv_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, 3 * shape.heads * shape.head_size};
}

Shape log_sum_shape(const AttentionShape& shape) {
  return {shape.samples, shape.heads, shape.sequence};
}

}  // namespace

void attention_forward(Stream& stream, const AttentionForward& args) {
  constexpr std::string_view kPlace = "attention_forward";
  check_shape(kPlace, args.shape);
  const DType dtype = computed_dtype(stream, kPlace, "qkv", args.qkv);
  expect_shape(kPlace, "qkv", args.qkv, qkv_shape(args.shape), dtype);
  expect_shape(kPlace, "out", args.out, out_shape(args.shape), dtype);
  expect_shape(kPlace, "log_sum", args.log_sum, log_sum_shape(args.shape));
  expect_apart(kPlace, "out", args.out, "qkv", args.qkv);
  expect_apart(kPlace, "log_sum", args.log_sum, "qkv", args.qkv);
  expect_apart(kPlace, "log_sum", args.log_sum, "out", args.out);
  stream.ops().attention_forward(stream, args);
}

void attention_backward(Stream& stream, const AttentionBackward& args) {
  constexpr std::string_view kPlace = "attention_backward";
  check_shape(kPlace, args.shape);
  const DType dtype = computed_dtype(stream, kPlace, "qkv", args.qkv);
  expect_shape(kPlace, "dout", args.dout, out_shape(args.shape), dtype);
  expect_shape(kPlace, "qkv", args.qkv, qkv_shape(args.shape), dtype);
  expect_shape(kPlace, "out", args.out, out_shape(args.shape), dtype);
  expect_shape(kPlace, "log_sum", args.log_sum, log_sum_shape(args.shape));
  expect_shape(kPlace, "dqkv", args.dqkv, qkv_shape(args.shape), dtype);
  expect_apart(kPlace, "dqkv", args.dqkv, "dout", args.dout);
  expect_apart(kPlace, "dqkv", args.dqkv, "qkv", args.qkv);
  expect_apart(kPlace, "dqkv", args.dqkv, "out", args.out);
  expect_apart(kPlace, "dqkv", args.dqkv, "log_sum", args.log_sum);
  stream.ops().attention_backward(stream, args);
}

}  // namespace stagecraft
