#include "kernels/ops/elementwise.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

void check_dropout(std::string_view where, const Dropout& dropout, const Tensor& x) {
  require(dropout.probability >= 0 && dropout.probability < 1, where,
          "the dropout probability is {}: it should be in [0, 1)", dropout.probability);
  require(dropout.rows_per_sample >= 1 && dropout.first_row >= 0, where,
          "{} rows a sample, counted from row {}: there should be at least 1, from 0 on",
          dropout.rows_per_sample, dropout.first_row);
  if (dropout.probability == 0) {
    return;
  }
  require(x.size(1) == 0 || dropout.rows_per_sample <= (std::int64_t{1} << 34) / x.size(1), where,
          "a sample of {} rows of {} elements has more than 2^34 elements", dropout.rows_per_sample,
          x.size(1));
}

/// c = f(a, b), element by element.
void check_pairwise(std::string_view where, const Tensor& a, const Tensor& b, const Tensor& c,
                    DType dtype) {
  require(!a.empty(), where, "a is missing");
  expect_matrix(where, "a", a, a.shape(), dtype);
  expect_matrix(where, "b", b, a.shape(), dtype);
  expect_matrix(where, "c", c, a.shape(), dtype);
  expect_same_or_disjoint(where, "c", c, "a", a);
  expect_same_or_disjoint(where, "c", c, "b", b);
}

}  // namespace

void activation_forward(Stream& stream, const ActivationForward& args) {
  constexpr std::string_view kWhere = "activation_forward";
  const DType dtype = compute_matrix_dtype(stream, kWhere, "x", args.x);
  expect_matrix(kWhere, "y", args.y, args.x.shape(), dtype);
  expect_disjoint(kWhere, "y", args.y, "x", args.x);
  dispatch(stream, args);
}

void activation_backward(Stream& stream, const ActivationBackward& args) {
  constexpr std::string_view kWhere = "activation_backward";
  const DType dtype = compute_matrix_dtype(stream, kWhere, "x", args.x);
  expect_matrix(kWhere, "dy", args.dy, args.x.shape(), dtype);
  expect_matrix(kWhere, "dx", args.dx, args.x.shape(), dtype);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "dy", args.dy);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "x", args.x);
  dispatch(stream, args);
}

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  constexpr std::string_view kWhere = "bias_dropout_residual";
  const DType dtype = compute_matrix_dtype(stream, kWhere, "x", args.x);
  expect_matrix(kWhere, "x", args.x, dtype);
  if (!args.bias.empty()) {
    expect_shape(kWhere, "bias", args.bias, {args.x.size(1)}, dtype);
    expect_disjoint(kWhere, "y", args.y, "bias", args.bias);
  }
  if (!args.residual.empty()) {
    expect_matrix(kWhere, "residual", args.residual, args.x.shape(), dtype);
  }
  check_dropout(kWhere, args.dropout, args.x);
  expect_matrix(kWhere, "y", args.y, args.x.shape(), dtype);
  expect_same_or_disjoint(kWhere, "y", args.y, "x", args.x);
  expect_same_or_disjoint(kWhere, "y", args.y, "residual", args.residual);
  dispatch(stream, args);
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  constexpr std::string_view kWhere = "dropout_backward";
  const DType dtype = compute_matrix_dtype(stream, kWhere, "dy", args.dy);
  expect_matrix(kWhere, "dy", args.dy, dtype);
  check_dropout(kWhere, args.dropout, args.dy);
  expect_matrix(kWhere, "dx", args.dx, args.dy.shape(), dtype);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "dy", args.dy);
  dispatch(stream, args);
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  constexpr std::string_view kWhere = "bias_gradient";
  expect_matrix(kWhere, "dy", args.dy, compute_matrix_dtype(stream, kWhere, "dy", args.dy));
  expect_shape(kWhere, "dbias", args.dbias, {args.dy.size(1)});
  expect_disjoint(kWhere, "dbias", args.dbias, "dy", args.dy);
  dispatch(stream, args);
}

void add(Stream& stream, const Add& args) {
  constexpr std::string_view kWhere = "add";
  require(!args.a.empty(), kWhere, "a is missing");
  const DType dtype = args.a.dtype() == DType::float64
                          ? DType::float64
                          : compute_matrix_dtype(stream, kWhere, "a", args.a);
  check_pairwise(kWhere, args.a, args.b, args.c, dtype);
  dispatch(stream, args);
}

void maximum(Stream& stream, const Maximum& args) {
  check_pairwise("maximum", args.a, args.b, args.c, DType::float32);
  dispatch(stream, args);
}

void copy(Stream& stream, const Copy& args) {
  constexpr std::string_view kWhere = "copy";
  require(!args.from.empty(), kWhere, "from is missing");
  expect_matrix(kWhere, "to", args.to, args.from.shape(), args.from.dtype());
  expect_disjoint(kWhere, "to", args.to, "from", args.from);
  dispatch(stream, args);
}

void convert(Stream& stream, const Convert& args) {
  constexpr std::string_view kWhere = "convert";
  const auto either = [](const Tensor& tensor) {
    return !tensor.empty() && tensor.dtype() == DType::bfloat16 ? DType::bfloat16 : DType::float32;
  };
  require(!args.from.empty(), kWhere, "from is missing");
  expect_matrix(kWhere, "from", args.from, args.from.shape(), either(args.from));
  expect_matrix(kWhere, "to", args.to, args.from.shape(), either(args.to));
  expect_disjoint(kWhere, "to", args.to, "from", args.from);
  dispatch(stream, args);
}

void fill_zero(Stream& stream, const FillZero& args) {
  require(!args.x.empty(), "fill_zero", "x is missing");
  dispatch(stream, args);
}

}  // namespace stagecraft
