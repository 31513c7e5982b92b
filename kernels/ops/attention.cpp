#include "kernels/ops/attention.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

void check_dropout(std::string_view where, const AttentionShape& shape) {
  const float probability = shape.dropout.probability;
  require(probability >= 0 && probability < 1, where,
          "the dropout probability is {}: it should be in [0, 1)", probability);
  constexpr std::int64_t kMax = std::int64_t{1} << 34;
  const std::int64_t heads = shape.first_head + shape.heads;
  require(probability == 0 || heads <= kMax / shape.sequence / shape.sequence, where,
          "a sample of {} heads over {} tokens has more than 2^34 probabilities", heads,
          shape.sequence);
}

void check_shape(std::string_view where, const AttentionShape& shape) {
  require(shape.samples >= 1 && shape.sequence >= 1 && shape.heads >= 1 && shape.head_size >= 1,
          where, "{} samples of {} tokens with {} heads of {} numbers: each should be at least 1",
          shape.samples, shape.sequence, shape.heads, shape.head_size);
  require(shape.first_head >= 0, where, "first_head is {}: it should not be negative",
          shape.first_head);
  check_dropout(where, shape);
}

Shape out_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, shape.heads * shape.head_size};
}

Shape qkv_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, 3 * shape.heads * shape.head_size};
}

Shape lse_shape(const AttentionShape& shape) {
  return {shape.samples, shape.heads, shape.sequence};
}

/// Of one causal product: T^2 / 2 multiply-adds for each number of a head.
double product_flops(const AttentionShape& shape) {
  return static_cast<double>(elements_of(out_shape(shape))) * static_cast<double>(shape.sequence);
}

}  // namespace

double flops_of(const AttentionForward& args) { return 2 * product_flops(args.shape); }

double flops_of(const AttentionBackward& args) { return 4 * product_flops(args.shape); }

void attention_forward(Stream& stream, const AttentionForward& args) {
  constexpr std::string_view kWhere = "attention_forward";
  check_shape(kWhere, args.shape);
  const DType dtype = compute_dtype(stream, kWhere, "qkv", args.qkv);
  expect_shape(kWhere, "qkv", args.qkv, qkv_shape(args.shape), dtype);
  expect_shape(kWhere, "out", args.out, out_shape(args.shape), dtype);
  expect_shape(kWhere, "lse", args.lse, lse_shape(args.shape));
  expect_disjoint(kWhere, "out", args.out, "qkv", args.qkv);
  expect_disjoint(kWhere, "lse", args.lse, "qkv", args.qkv);
  expect_disjoint(kWhere, "lse", args.lse, "out", args.out);
  dispatch(stream, args);
}

void attention_backward(Stream& stream, const AttentionBackward& args) {
  constexpr std::string_view kWhere = "attention_backward";
  check_shape(kWhere, args.shape);
  const DType dtype = compute_dtype(stream, kWhere, "qkv", args.qkv);
  expect_shape(kWhere, "dout", args.dout, out_shape(args.shape), dtype);
  expect_shape(kWhere, "qkv", args.qkv, qkv_shape(args.shape), dtype);
  expect_shape(kWhere, "out", args.out, out_shape(args.shape), dtype);
  expect_shape(kWhere, "lse", args.lse, lse_shape(args.shape));
  expect_shape(kWhere, "dqkv", args.dqkv, qkv_shape(args.shape), dtype);
  expect_disjoint(kWhere, "dqkv", args.dqkv, "dout", args.dout);
  expect_disjoint(kWhere, "dqkv", args.dqkv, "qkv", args.qkv);
  expect_disjoint(kWhere, "dqkv", args.dqkv, "out", args.out);
  expect_disjoint(kWhere, "dqkv", args.dqkv, "lse", args.lse);
  dispatch(stream, args);
}

}  // namespace stagecraft
