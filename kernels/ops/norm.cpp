#include "kernels/ops/norm.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  constexpr std::string_view kPlace = "layer_norm_forward";
  const DType dtype = computed_dtype(stream, kPlace, "x", args.x);
  expect_rank(kPlace, "x", args.x, 2, dtype);
  const Shape rows = {args.x.size(0)};
  const Shape columns = {args.x.size(1)};
  expect_shape(kPlace, "gamma", args.gamma, columns);
  expect_shape(kPlace, "beta", args.beta, columns);
  expect_shape(kPlace, "y", args.y, args.x.shape(), dtype);
  expect_shape(kPlace, "mean", args.mean, rows);
  expect_shape(kPlace, "rstd", args.rstd, rows);
  require(args.epsilon >= 0, kPlace, "epsilon is {}: it should not be negative", args.epsilon);
  expect_same_or_apart(kPlace, "y", args.y, "x", args.x);
  expect_apart(kPlace, "y", args.y, "gamma", args.gamma);
  expect_apart(kPlace, "y", args.y, "beta", args.beta);
  stream.ops().layer_norm_forward(stream, args);
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  constexpr std::string_view kPlace = "layer_norm_backward_input";
  const DType dtype = computed_dtype(stream, kPlace, "x", args.x);
  expect_rank(kPlace, "x", args.x, 2, dtype);
  const Shape rows = {args.x.size(0)};
  expect_shape(kPlace, "dy", args.dy, args.x.shape(), dtype);
  expect_shape(kPlace, "gamma", args.gamma, {args.x.size(1)});
  expect_shape(kPlace, "mean", args.mean, rows);
  expect_shape(kPlace, "rstd", args.rstd, rows);
  if (!args.residual_gradient.empty()) {
    expect_shape(kPlace, "residual_gradient", args.residual_gradient, args.x.shape(), dtype);
  }
  expect_shape(kPlace, "dx", args.dx, args.x.shape(), dtype);
  expect_same_or_apart(kPlace, "dx", args.dx, "residual_gradient", args.residual_gradient);
  expect_same_or_apart(kPlace, "dx", args.dx, "dy", args.dy);
  expect_same_or_apart(kPlace, "dx", args.dx, "x", args.x);
  expect_apart(kPlace, "dx", args.dx, "gamma", args.gamma);
  expect_shape(kPlace, "sums", args.sums, norm_sums_shape(args.x.size(0), args.x.size(1)));
  expect_apart(kPlace, "sums", args.sums, "dx", args.dx);
  stream.ops().layer_norm_backward_input(stream, args);
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  constexpr std::string_view kPlace = "layer_norm_backward_weight";
  expect_rank(kPlace, "sums", args.sums, 3);
  const Shape columns = {args.sums.size(2)};
  expect_shape(kPlace, "sums", args.sums, {args.sums.size(0), 2, columns[0]});
  expect_shape(kPlace, "dgamma", args.dgamma, columns);
  expect_shape(kPlace, "dbeta", args.dbeta, columns);
  expect_apart(kPlace, "dgamma", args.dgamma, "dbeta", args.dbeta);
  expect_apart(kPlace, "dgamma", args.dgamma, "sums", args.sums);
  expect_apart(kPlace, "dbeta", args.dbeta, "sums", args.sums);
  stream.ops().layer_norm_backward_weight(stream, args);
}

}  // namespace stagecraft
