#include "kernels/ops/reduce.h"
#include "tests/conformance/reference.h"

namespace stagecraft::testing {

TEST_CASE("sum_of_squares") {
  for (const std::int64_t size : {0, 1, 3, 31, 33, 1000, 65536, 65537, 300007}) {
    CAPTURE(size);
    const Values x = random_values(size, 1);
    const auto sum = [&](Stream& stream) {
      const Tensor out = poisoned(stream, {1}, DType::float64);
      sum_of_squares(stream, {.x = tensor_of(stream, {size}, x), .out = out});
      return std::vector<Values>{values_of(stream, out)};
    };
    conform(sum, {{dot(x, x)}}, 1e-12);
  }
}

TEST_CASE("sum_of_squares does not overflow in float32") {
  const auto sum = [](Stream& stream) {
    const Tensor out = poisoned(stream, {1}, DType::float64);
    sum_of_squares(stream, {.x = tensor_of(stream, {2, 2}, {1e30, 0, 1e30, 0}), .out = out});
    return std::vector<Values>{values_of(stream, out)};
  };
  const double square = std::pow(static_cast<double>(1e30F), 2);
  conform(sum, {{2 * square}}, 1e-13);
}

TEST_CASE("sum_of_squares refuses what does not fit") {
  refuses(
      [](Stream& stream) {
        sum_of_squares(stream, {.x = poisoned(stream, {3}), .out = poisoned(stream, {1})});
      },
      "[sum_of_squares] out holds float32, not float64");
  refuses(
      [](Stream& stream) {
        sum_of_squares(stream,
                       {.x = poisoned(stream, {3}), .out = poisoned(stream, {2}, DType::float64)});
      },
      "out is [2]: it should be [1]");
}

}  // namespace stagecraft::testing
