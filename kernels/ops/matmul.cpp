#include "kernels/ops/matmul.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

constexpr std::string_view kWhere = "matmul";
constexpr std::string_view kBatch = "matmul_batch";

std::string_view words_of(const MatmulOperand& operand) {
  return operand.transposed() ? " transposed" : "";
}

void check_shapes(const Matmul& args) {
  require(args.a.columns() == args.b.rows(), kWhere,
          "a is {}{} and b is {}{}: the inner sizes differ", args.a.tensor.shape(),
          words_of(args.a), args.b.tensor.shape(), words_of(args.b));
  const Shape product = {args.a.rows(), args.b.columns()};
  require(args.c.shape() == product, kWhere, "a is {}{} and b is {}{}: c is {} and should be {}",
          args.a.tensor.shape(), words_of(args.a), args.b.tensor.shape(), words_of(args.b),
          args.c.shape(), product);
}

/// c may be wider than its factors.
DType check_dtypes(Stream& stream, const Matmul& args) {
  const DType factors = compute_matrix_dtype(stream, kWhere, "a", args.a.tensor);
  expect_matrix(kWhere, "a", args.a.tensor, factors);
  expect_matrix(kWhere, "b", args.b.tensor, factors);
  const DType result = compute_matrix_dtype(stream, kWhere, "c", args.c);
  expect_matrix(kWhere, "c", args.c, factors == DType::float32 ? factors : result);
  return result;
}

void check_activation(const Matmul& args, std::string_view name, const Tensor& tensor,
                      DType dtype) {
  if (tensor.empty()) {
    return;
  }
  require(!args.accumulate, kWhere, "{} cannot be fused with accumulate", name);
  expect_matrix(kWhere, name, tensor, args.c.shape(), dtype);
}

void check_product(Stream& stream, const Matmul& args) {
  const DType result = check_dtypes(stream, args);
  check_shapes(args);
  if (!args.bias.empty()) {
    require(!args.accumulate, kWhere, "a bias cannot be fused with accumulate");
    expect_shape(kWhere, "bias", args.bias, {args.c.size(1)}, result);
  }
  require(args.pre_activation.empty() || args.activation_grad_of.empty(), kWhere,
          "pre_activation and activation_grad_of cannot be fused with one product");
  check_activation(args, "pre_activation", args.pre_activation, result);
  check_activation(args, "activation_grad_of", args.activation_grad_of, result);
}

void check_disjoint(const Matmul& args) {
  expect_disjoint(kWhere, "c", args.c, "a", args.a.tensor);
  expect_disjoint(kWhere, "c", args.c, "b", args.b.tensor);
  expect_disjoint(kWhere, "c", args.c, "bias", args.bias);
  expect_disjoint(kWhere, "c", args.c, "pre_activation", args.pre_activation);
  expect_disjoint(kWhere, "c", args.c, "activation_grad_of", args.activation_grad_of);
  expect_disjoint(kWhere, "pre_activation", args.pre_activation, "a", args.a.tensor);
  expect_disjoint(kWhere, "pre_activation", args.pre_activation, "b", args.b.tensor);
}

void expect_parts(std::string_view name, const Tensor& tensor, BatchPart part, std::int64_t count) {
  if (tensor.empty() || part == BatchPart::all) {
    return;
  }
  const int dimension = part == BatchPart::rows ? 0 : 1;
  require(tensor.rank() > dimension && tensor.size(dimension) % count == 0, kBatch,
          "{} is {}: its {} should be {} equal parts", name, tensor.shape(),
          dimension == 0 ? "rows" : "columns", count);
}

Tensor part_of(const Tensor& joined, BatchPart part, std::int64_t count, std::int64_t number) {
  if (joined.empty() || part == BatchPart::all) {
    return joined;
  }
  const bool rows = part == BatchPart::rows;
  const std::int64_t size = joined.size(rows ? 0 : 1) / count;
  const std::int64_t begin = number * size;
  return rows ? joined.rows(begin, begin + size) : joined.columns(begin, begin + size);
}

}  // namespace

double flops_of(const Matmul& args) {
  return 2.0 * static_cast<double>(args.c.elements()) * static_cast<double>(args.a.columns());
}

Matmul product_of(const MatmulBatch& batch, std::int64_t number) {
  const auto part = [&](const Tensor& of, BatchPart kind) {
    return part_of(of, kind, batch.count, number);
  };
  Matmul product = batch.joined;
  product.a.tensor = part(product.a.tensor, batch.a);
  product.b.tensor = part(product.b.tensor, batch.b);
  product.c = part(product.c, batch.c);
  product.bias = part(product.bias, BatchPart::rows);
  product.pre_activation = part(product.pre_activation, batch.c);
  product.activation_grad_of = part(product.activation_grad_of, batch.c);
  return product;
}

double flops_of(const MatmulBatch& args) {
  return static_cast<double>(args.count) * flops_of(product_of(args, 0));
}

void matmul(Stream& stream, const Matmul& args) {
  check_product(stream, args);
  check_disjoint(args);
  dispatch(stream, args);
}

void matmul_batch(Stream& stream, const MatmulBatch& args) {
  const Matmul& joined = args.joined;
  require(args.count >= 1, kBatch, "the batch has {} products", args.count);
  require(args.c != BatchPart::all, kBatch, "all products would write the same elements of c");
  expect_parts("a", joined.a.tensor, args.a, args.count);
  expect_parts("b", joined.b.tensor, args.b, args.count);
  expect_parts("c", joined.c, args.c, args.count);
  expect_parts("bias", joined.bias, BatchPart::rows, args.count);
  expect_parts("pre_activation", joined.pre_activation, args.c, args.count);
  expect_parts("activation_grad_of", joined.activation_grad_of, args.c, args.count);
  check_product(stream, product_of(args, 0));
  check_disjoint(joined);
  dispatch(stream, args);
}

}  // namespace stagecraft
