#include "kernels/ops/matmul.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

constexpr std::string_view kWhere = "matmul";

std::string_view words_of(Transpose transpose) {
  return transpose == Transpose::yes ? " transposed" : "";
}

void check_shapes(const Matmul& args) {
  const bool a_transposed = args.transpose_a == Transpose::yes;
  const bool b_transposed = args.transpose_b == Transpose::yes;
  require(args.a.size(a_transposed ? 0 : 1) == args.b.size(b_transposed ? 1 : 0), kWhere,
          "a is {}{} and b is {}{}: the inner sizes differ", args.a.shape(),
          words_of(args.transpose_a), args.b.shape(), words_of(args.transpose_b));
  const Shape product = {args.a.size(a_transposed ? 1 : 0), args.b.size(b_transposed ? 0 : 1)};
  require(args.c.shape() == product, kWhere, "a is {}{} and b is {}{}: c is {} and should be {}",
          args.a.shape(), words_of(args.transpose_a), args.b.shape(), words_of(args.transpose_b),
          args.c.shape(), product);
}

/// c may be wider than its factors.
DType check_dtypes(Stream& stream, const Matmul& args) {
  const DType factors = compute_dtype(stream, kWhere, "a", args.a);
  expect_rank(kWhere, "a", args.a, 2, factors);
  expect_rank(kWhere, "b", args.b, 2, factors);
  const DType result = compute_dtype(stream, kWhere, "c", args.c);
  expect_rank(kWhere, "c", args.c, 2, factors == DType::float32 ? factors : result);
  return result;
}

void check_activation(const Matmul& args, std::string_view name, const Tensor& tensor,
                      DType dtype) {
  if (tensor.empty()) {
    return;
  }
  require(!args.accumulate, kWhere, "{} cannot be fused with accumulate", name);
  expect_shape(kWhere, name, tensor, args.c.shape(), dtype);
  expect_disjoint(kWhere, "c", args.c, name, tensor);
  expect_disjoint(kWhere, name, tensor, "a", args.a);
  expect_disjoint(kWhere, name, tensor, "b", args.b);
}

}  // namespace

double flops_of(const Matmul& args) {
  const std::int64_t k = args.a.size(args.transpose_a == Transpose::yes ? 0 : 1);
  return 2.0 * static_cast<double>(args.c.elements()) * static_cast<double>(k);
}

void matmul(Stream& stream, const Matmul& args) {
  const DType result = check_dtypes(stream, args);
  check_shapes(args);
  expect_disjoint(kWhere, "c", args.c, "a", args.a);
  expect_disjoint(kWhere, "c", args.c, "b", args.b);
  if (!args.bias.empty()) {
    require(!args.accumulate, kWhere, "a bias cannot be fused with accumulate");
    expect_shape(kWhere, "bias", args.bias, {args.c.size(1)}, result);
    expect_disjoint(kWhere, "c", args.c, "bias", args.bias);
  }
  require(args.pre_activation.empty() || args.activation_grad_of.empty(), kWhere,
          "pre_activation and activation_grad_of cannot be fused with one product");
  check_activation(args, "pre_activation", args.pre_activation, result);
  check_activation(args, "activation_grad_of", args.activation_grad_of, result);
  dispatch(stream, args);
}

}  // namespace stagecraft
