#include "kernels/ops/reduce.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {

void sum_of_squares(Stream& stream, const SumOfSquares& args) {
  expect_dtype("sum_of_squares", "x", args.x);
  expect_shape("sum_of_squares", "out", args.out, {1}, DType::float64);
  stream.ops().sum_of_squares(stream, args);
}

}  // namespace stagecraft
