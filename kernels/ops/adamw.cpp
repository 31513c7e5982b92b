#include "kernels/ops/adamw.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {

void adamw(Stream& stream, const AdamW& args) {
  constexpr std::string_view kWhere = "adamw";
  expect_rank(kWhere, "weight", args.weight, 1);
  const Shape& shape = args.weight.shape();
  expect_shape(kWhere, "gradient", args.gradient, shape);
  expect_shape(kWhere, "first_moment", args.first_moment, shape);
  expect_shape(kWhere, "second_moment", args.second_moment, shape);
  expect_disjoint(kWhere, "weight", args.weight, "gradient", args.gradient);
  expect_disjoint(kWhere, "weight", args.weight, "first_moment", args.first_moment);
  expect_disjoint(kWhere, "weight", args.weight, "second_moment", args.second_moment);
  expect_disjoint(kWhere, "first_moment", args.first_moment, "gradient", args.gradient);
  expect_disjoint(kWhere, "second_moment", args.second_moment, "gradient", args.gradient);
  expect_disjoint(kWhere, "first_moment", args.first_moment, "second_moment", args.second_moment);
  if (!args.compute_weights.empty()) {
    expect_shape(kWhere, "compute_weights", args.compute_weights, shape, DType::bfloat16);
  }
  if (!args.decayed.empty()) {
    expect_rank(kWhere, "decayed", args.decayed, 1, DType::int32);
    require(args.decayed.size(0) % 2 == 0, kWhere, "decayed has {} numbers: each range has two",
            args.decayed.size(0));
  }
  require(args.step >= 1, kWhere, "step is {}: steps are counted from 1", args.step);
  require(args.beta1 >= 0 && args.beta1 < 1 && args.beta2 >= 0 && args.beta2 < 1, kWhere,
          "beta1 is {} and beta2 {}: both should be in [0, 1)", args.beta1, args.beta2);
  dispatch(stream, args);
}

}  // namespace stagecraft
