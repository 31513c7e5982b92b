#include "kernels/ops/norm.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  constexpr std::string_view kWhere = "layer_norm_forward";
  const DType dtype = compute_dtype(stream, kWhere, "x", args.x);
  expect_rank(kWhere, "x", args.x, 2, dtype);
  const Shape rows = {args.x.size(0)};
  const Shape columns = {args.x.size(1)};
  expect_shape(kWhere, "gamma", args.gamma, columns);
  if (!args.beta.empty()) {
    expect_shape(kWhere, "beta", args.beta, columns);
  }
  expect_shape(kWhere, "y", args.y, args.x.shape(), dtype);
  expect_shape(kWhere, "mean", args.mean, rows);
  expect_shape(kWhere, "rstd", args.rstd, rows);
  require(args.epsilon >= 0, kWhere, "epsilon is {}: it should not be negative", args.epsilon);
  expect_same_or_disjoint(kWhere, "y", args.y, "x", args.x);
  expect_disjoint(kWhere, "y", args.y, "gamma", args.gamma);
  expect_disjoint(kWhere, "y", args.y, "beta", args.beta);
  dispatch(stream, args);
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  constexpr std::string_view kWhere = "layer_norm_backward_input";
  const DType dtype = compute_dtype(stream, kWhere, "x", args.x);
  expect_rank(kWhere, "x", args.x, 2, dtype);
  const Shape rows = {args.x.size(0)};
  expect_shape(kWhere, "dy", args.dy, args.x.shape(), dtype);
  expect_shape(kWhere, "gamma", args.gamma, {args.x.size(1)});
  expect_shape(kWhere, "mean", args.mean, rows);
  expect_shape(kWhere, "rstd", args.rstd, rows);
  if (!args.residual_gradient.empty()) {
    expect_shape(kWhere, "residual_gradient", args.residual_gradient, args.x.shape(), dtype);
  }
  expect_shape(kWhere, "dx", args.dx, args.x.shape(), dtype);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "residual_gradient", args.residual_gradient);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "dy", args.dy);
  expect_same_or_disjoint(kWhere, "dx", args.dx, "x", args.x);
  expect_disjoint(kWhere, "dx", args.dx, "gamma", args.gamma);
  expect_shape(kWhere, "sums", args.sums, norm_sums_shape(args.x.size(0), args.x.size(1)));
  expect_disjoint(kWhere, "sums", args.sums, "dx", args.dx);
  dispatch(stream, args);
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  constexpr std::string_view kWhere = "layer_norm_backward_weight";
  expect_rank(kWhere, "sums", args.sums, 3);
  const Shape columns = {args.sums.size(2)};
  expect_shape(kWhere, "sums", args.sums, {args.sums.size(0), 2, columns[0]});
  expect_shape(kWhere, "dgamma", args.dgamma, columns);
  if (!args.dbeta.empty()) {
    expect_shape(kWhere, "dbeta", args.dbeta, columns);
  }
  expect_disjoint(kWhere, "dgamma", args.dgamma, "dbeta", args.dbeta);
  expect_disjoint(kWhere, "dgamma", args.dgamma, "sums", args.sums);
  expect_disjoint(kWhere, "dbeta", args.dbeta, "sums", args.sums);
  dispatch(stream, args);
}

}  // namespace stagecraft
