#include "kernels/ops/norm.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  constexpr std::string_view kPlace = "layer_norm_forward";
  expect_rank(kPlace, "x", args.x, 2);
  const Shape rows = {args.x.size(0)};
  const Shape columns = {args.x.size(1)};
  expect_shape(kPlace, "gamma", args.gamma, columns);
  expect_shape(kPlace, "beta", args.beta, columns);
  expect_shape(kPlace, "y", args.y, args.x.shape());
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
  expect_rank(kPlace, "x", args.x, 2);
  const Shape rows = {args.x.size(0)};
  expect_shape(kPlace, "dy", args.dy, args.x.shape());
  expect_shape(kPlace, "gamma", args.gamma, {args.x.size(1)});
  expect_shape(kPlace, "mean", args.mean, rows);
  expect_shape(kPlace, "rstd", args.rstd, rows);
  if (!args.residual_gradient.empty()) {
    expect_shape(kPlace, "residual_gradient", args.residual_gradient, args.x.shape());
  }
  expect_shape(kPlace, "dx", args.dx, args.x.shape());
  expect_same_or_apart(kPlace, "dx", args.dx, "residual_gradient", args.residual_gradient);
  expect_same_or_apart(kPlace, "dx", args.dx, "dy", args.dy);
  expect_same_or_apart(kPlace, "dx", args.dx, "x", args.x);
  expect_apart(kPlace, "dx", args.dx, "gamma", args.gamma);
  stream.ops().layer_norm_backward_input(stream, args);
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  constexpr std::string_view kPlace = "layer_norm_backward_weight";
  expect_rank(kPlace, "x", args.x, 2);
  const Shape rows = {args.x.size(0)};
  const Shape columns = {args.x.size(1)};
  expect_shape(kPlace, "dy", args.dy, args.x.shape());
  expect_shape(kPlace, "mean", args.mean, rows);
  expect_shape(kPlace, "rstd", args.rstd, rows);
  expect_shape(kPlace, "dgamma", args.dgamma, columns);
  expect_shape(kPlace, "dbeta", args.dbeta, columns);
  expect_apart(kPlace, "dgamma", args.dgamma, "dbeta", args.dbeta);
  stream.ops().layer_norm_backward_weight(stream, args);
}

}  // namespace stagecraft
