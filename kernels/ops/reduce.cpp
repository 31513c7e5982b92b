#include "kernels/ops/reduce.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {

void sums_of_squares(Stream& stream, const SumsOfSquares& args) {
  constexpr std::string_view kWhere = "sums_of_squares";
  const auto count = static_cast<std::int64_t>(args.x.size());
  for (const Tensor& x : args.x) {
    expect_dtype(kWhere, "x", x);
  }
  expect_shape(kWhere, "out", args.out, {count}, DType::float64);
  if (count > 0) {
    dispatch(stream, args);
  }
}

}  // namespace stagecraft
