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
  const std::int64_t positions = shape.mask_positions();
  require(positions >= shape.sequence, where, "{} positions are fewer than the {} tokens",
          positions, shape.sequence);
  require(probability == 0 || heads <= kMax / positions / positions, where,
          "a sample of {} heads over {} tokens has more than 2^34 probabilities", heads, positions);
}

void check_shape(std::string_view where, const AttentionShape& shape) {
  require(shape.samples >= 1 && shape.sequence >= 1 && shape.heads >= 1 && shape.head_size >= 1,
          where, "{} samples of {} tokens with {} heads of {} numbers: each should be at least 1",
          shape.samples, shape.sequence, shape.heads, shape.head_size);
  require(shape.key_heads() >= 1 && shape.heads % shape.key_heads() == 0, where,
          "{} heads of keys do not divide {} heads of queries", shape.kv_heads, shape.heads);
  require(shape.first_head >= 0, where, "first_head is {}: it should not be negative",
          shape.first_head);
  check_dropout(where, shape);
}

Shape query_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, shape.heads * shape.head_size};
}

Shape key_shape(const AttentionShape& shape) {
  return {shape.samples * shape.sequence, shape.key_heads() * shape.head_size};
}

Shape lse_shape(const AttentionShape& shape) {
  return {shape.samples, shape.heads, shape.sequence};
}

/// Of one product: T^2 multiply-adds for each number of a head, half of them where causal.
double product_flops(const AttentionShape& shape) {
  return static_cast<double>(elements_of(query_shape(shape))) *
         static_cast<double>(shape.sequence) * (shape.causal ? 1 : 2);
}

void check_key_ranges(std::string_view where, const AttentionShape& shape, const Tensor& keys,
                      const Tensor& lengths) {
  require(keys.empty() || lengths.empty(), where, "both keys and lengths are given: one is enough");
  if (!keys.empty()) {
    expect_shape(where, "keys", keys, {2, shape.samples * shape.sequence}, DType::int32);
  }
  if (!lengths.empty()) {
    expect_shape(where, "lengths", lengths, {shape.samples}, DType::int32);
  }
}

/// What both directions read.
template <typename Args>
DType check_read(Stream& stream, std::string_view where, const Args& args) {
  check_shape(where, args.shape);
  const DType dtype = compute_matrix_dtype(stream, where, "q", args.q);
  expect_matrix(where, "q", args.q, query_shape(args.shape), dtype);
  expect_matrix(where, "k", args.k, key_shape(args.shape), dtype);
  expect_matrix(where, "v", args.v, key_shape(args.shape), dtype);
  check_key_ranges(where, args.shape, args.keys, args.lengths);
  expect_matrix(where, "out", args.out, query_shape(args.shape), dtype);
  expect_shape(where, "lse", args.lse, lse_shape(args.shape));
  return dtype;
}

template <typename Args>
void expect_disjoint_from_inputs(std::string_view where, std::string_view name,
                                 const Tensor& written, const Args& args) {
  expect_disjoint(where, name, written, "q", args.q);
  expect_disjoint(where, name, written, "k", args.k);
  expect_disjoint(where, name, written, "v", args.v);
}

void check_gradient(std::string_view where, std::string_view name, const Tensor& gradient,
                    const Shape& shape, const AttentionBackward& args) {
  expect_matrix(where, name, gradient, shape, args.q.dtype());
  expect_disjoint_from_inputs(where, name, gradient, args);
  expect_disjoint(where, name, gradient, "dout", args.dout);
  expect_disjoint(where, name, gradient, "out", args.out);
  expect_disjoint(where, name, gradient, "lse", args.lse);
}

}  // namespace

double flops_of(const AttentionForward& args) { return 2 * product_flops(args.shape); }

double flops_of(const AttentionBackward& args) { return 4 * product_flops(args.shape); }

void attention_forward(Stream& stream, const AttentionForward& args) {
  constexpr std::string_view kWhere = "attention_forward";
  check_read(stream, kWhere, args);
  expect_disjoint_from_inputs(kWhere, "out", args.out, args);
  expect_disjoint_from_inputs(kWhere, "lse", args.lse, args);
  expect_disjoint(kWhere, "lse", args.lse, "out", args.out);
  dispatch(stream, args);
}

void attention_backward(Stream& stream, const AttentionBackward& args) {
  constexpr std::string_view kWhere = "attention_backward";
  const DType dtype = check_read(stream, kWhere, args);
  expect_matrix(kWhere, "dout", args.dout, query_shape(args.shape), dtype);
  check_gradient(kWhere, "dq", args.dq, query_shape(args.shape), args);
  check_gradient(kWhere, "dk", args.dk, key_shape(args.shape), args);
  check_gradient(kWhere, "dv", args.dv, key_shape(args.shape), args);
  expect_disjoint(kWhere, "dk", args.dk, "dq", args.dq);
  expect_disjoint(kWhere, "dv", args.dv, "dq", args.dq);
  expect_disjoint(kWhere, "dv", args.dv, "dk", args.dk);
  dispatch(stream, args);
}

}  // namespace stagecraft
