#include "kernels/ops/matmul.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {
namespace {

constexpr std::string_view kPlace = "matmul";

std::string described(const char* name, const Tensor& tensor, Transpose transpose) {
  return fmt::format("{} is {}{}", name, to_string(tensor.shape()),
                     transpose == Transpose::yes ? " transposed" : "");
}

void check_shapes(const Matmul& args) {
  const bool a_turned = args.transpose_a == Transpose::yes;
  const bool b_turned = args.transpose_b == Transpose::yes;
  require(args.a.size(a_turned ? 0 : 1) == args.b.size(b_turned ? 1 : 0), kPlace,
          "{} and {}: the inner sizes differ", described("a", args.a, args.transpose_a),
          described("b", args.b, args.transpose_b));
  const Shape product = {args.a.size(a_turned ? 1 : 0), args.b.size(b_turned ? 0 : 1)};
  require(args.c.shape() == product, kPlace, "{} and {}: c is {} and should be {}",
          described("a", args.a, args.transpose_a), described("b", args.b, args.transpose_b),
          to_string(args.c.shape()), to_string(product));
}

/// c may be wider than its factors.
DType check_dtypes(Stream& stream, const Matmul& args) {
  const DType factors = computed_dtype(stream, kPlace, "a", args.a);
  expect_rank(kPlace, "a", args.a, 2, factors);
  expect_rank(kPlace, "b", args.b, 2, factors);
  const DType result = computed_dtype(stream, kPlace, "c", args.c);
  expect_rank(kPlace, "c", args.c, 2, factors == DType::float32 ? factors : result);
  return result;
}

void check_gelu(const Matmul& args, std::string_view name, const Tensor& tensor, DType dtype) {
  if (tensor.empty()) {
    return;
  }
  require(!args.accumulate, kPlace, "{} cannot be joined with accumulate", name);
  expect_shape(kPlace, name, tensor, args.c.shape(), dtype);
  expect_apart(kPlace, "c", args.c, name, tensor);
  expect_apart(kPlace, name, tensor, "a", args.a);
  expect_apart(kPlace, name, tensor, "b", args.b);
}

}  // namespace

void matmul(Stream& stream, const Matmul& args) {
  const DType result = check_dtypes(stream, args);
  check_shapes(args);
  expect_apart(kPlace, "c", args.c, "a", args.a);
  expect_apart(kPlace, "c", args.c, "b", args.b);
  if (!args.bias.empty()) {
    require(!args.accumulate, kPlace, "a bias cannot be joined with accumulate");
    expect_shape(kPlace, "bias", args.bias, {args.c.size(1)}, result);
    expect_apart(kPlace, "c", args.c, "bias", args.bias);
  }
  require(args.before_gelu.empty() || args.slope_at.empty(), kPlace,
          "before_gelu and slope_at cannot be joined to one product");
  check_gelu(args, "before_gelu", args.before_gelu, result);
  check_gelu(args, "slope_at", args.slope_at, result);
  stream.ops().matmul(stream, args);
}

}  // namespace stagecraft
