#include "kernels/ops/elementwise.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {
namespace {

void check_dropout(std::string_view place, const Dropout& dropout, const Tensor& x) {
  require(dropout.probability >= 0 && dropout.probability < 1, place,
          "the dropout probability is {}: it should be in [0, 1)", dropout.probability);
  if (dropout.probability == 0) {
    return;
  }
  require(dropout.rows_per_sample >= 1 && x.size(0) % dropout.rows_per_sample == 0, place,
          "{} rows are not whole samples of {} rows", x.size(0), dropout.rows_per_sample);
  require(x.size(1) == 0 || dropout.rows_per_sample <= (std::int64_t{1} << 34) / x.size(1), place,
          "a sample of {} rows of {} elements has more than 2^34 elements", dropout.rows_per_sample,
          x.size(1));
}

/// c = f(a, b), element by element.
void check_pairwise(std::string_view place, const Tensor& a, const Tensor& b, const Tensor& c,
                    DType dtype) {
  expect_dtype(place, "a", a, dtype);
  expect_shape(place, "b", b, a.shape(), dtype);
  expect_shape(place, "c", c, a.shape(), dtype);
  expect_same_or_apart(place, "c", c, "a", a);
  expect_same_or_apart(place, "c", c, "b", b);
}

}  // namespace

void gelu_forward(Stream& stream, const GeluForward& args) {
  constexpr std::string_view kPlace = "gelu_forward";
  const DType dtype = computed_dtype(stream, kPlace, "x", args.x);
  expect_shape(kPlace, "y", args.y, args.x.shape(), dtype);
  expect_apart(kPlace, "y", args.y, "x", args.x);
  stream.ops().gelu_forward(stream, args);
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  constexpr std::string_view kPlace = "gelu_backward";
  const DType dtype = computed_dtype(stream, kPlace, "x", args.x);
  expect_shape(kPlace, "dy", args.dy, args.x.shape(), dtype);
  expect_shape(kPlace, "dx", args.dx, args.x.shape(), dtype);
  expect_same_or_apart(kPlace, "dx", args.dx, "dy", args.dy);
  expect_same_or_apart(kPlace, "dx", args.dx, "x", args.x);
  stream.ops().gelu_backward(stream, args);
}

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  constexpr std::string_view kPlace = "bias_dropout_residual";
  const DType dtype = computed_dtype(stream, kPlace, "x", args.x);
  expect_rank(kPlace, "x", args.x, 2, dtype);
  if (!args.bias.empty()) {
    expect_shape(kPlace, "bias", args.bias, {args.x.size(1)}, dtype);
    expect_apart(kPlace, "y", args.y, "bias", args.bias);
  }
  if (!args.residual.empty()) {
    expect_shape(kPlace, "residual", args.residual, args.x.shape(), dtype);
  }
  check_dropout(kPlace, args.dropout, args.x);
  expect_shape(kPlace, "y", args.y, args.x.shape(), dtype);
  expect_same_or_apart(kPlace, "y", args.y, "x", args.x);
  expect_same_or_apart(kPlace, "y", args.y, "residual", args.residual);
  stream.ops().bias_dropout_residual(stream, args);
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  constexpr std::string_view kPlace = "dropout_backward";
  const DType dtype = computed_dtype(stream, kPlace, "dy", args.dy);
  expect_rank(kPlace, "dy", args.dy, 2, dtype);
  check_dropout(kPlace, args.dropout, args.dy);
  expect_shape(kPlace, "dx", args.dx, args.dy.shape(), dtype);
  expect_same_or_apart(kPlace, "dx", args.dx, "dy", args.dy);
  stream.ops().dropout_backward(stream, args);
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  constexpr std::string_view kPlace = "bias_gradient";
  expect_rank(kPlace, "dy", args.dy, 2, computed_dtype(stream, kPlace, "dy", args.dy));
  expect_shape(kPlace, "dbias", args.dbias, {args.dy.size(1)});
  expect_apart(kPlace, "dbias", args.dbias, "dy", args.dy);
  stream.ops().bias_gradient(stream, args);
}

void add(Stream& stream, const Add& args) {
  constexpr std::string_view kPlace = "add";
  require(!args.a.empty(), kPlace, "a is missing");
  const DType dtype = args.a.dtype() == DType::float64
                          ? DType::float64
                          : computed_dtype(stream, kPlace, "a", args.a);
  check_pairwise(kPlace, args.a, args.b, args.c, dtype);
  stream.ops().add(stream, args);
}

void maximum(Stream& stream, const Maximum& args) {
  check_pairwise("maximum", args.a, args.b, args.c, DType::float32);
  stream.ops().maximum(stream, args);
}

void copy(Stream& stream, const Copy& args) {
  constexpr std::string_view kPlace = "copy";
  require(!args.from.empty(), kPlace, "from is missing");
  expect_shape(kPlace, "to", args.to, args.from.shape(), args.from.dtype());
  expect_apart(kPlace, "to", args.to, "from", args.from);
  stream.ops().copy(stream, args);
}

void convert(Stream& stream, const Convert& args) {
  constexpr std::string_view kPlace = "convert";
  const auto either = [](const Tensor& tensor) {
    return !tensor.empty() && tensor.dtype() == DType::bfloat16 ? DType::bfloat16 : DType::float32;
  };
  expect_dtype(kPlace, "from", args.from, either(args.from));
  expect_shape(kPlace, "to", args.to, args.from.shape(), either(args.to));
  expect_apart(kPlace, "to", args.to, "from", args.from);
  stream.ops().convert(stream, args);
}

void fill_zero(Stream& stream, const FillZero& args) {
  require(!args.x.empty(), "fill_zero", "x is missing");
  stream.ops().fill_zero(stream, args);
}

}  // namespace stagecraft
