#include "kernels/ops/reduce.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::int64_t kSquareSizes[] = {0, 1, 3, 31, 33, 1000, 65536, 65537, 300007};

Values squares_of(Stream& stream, const std::vector<Tensor>& x) {
  const Tensor out = poisoned(stream, {static_cast<std::int64_t>(x.size())}, DType::float64);
  sums_of_squares(stream, {.x = x, .out = out});
  return values_of(stream, out);
}

}  // namespace

TEST_CASE("sums_of_squares of one tensor") {
  for (const std::int64_t size : kSquareSizes) {
    CAPTURE(size);
    const Values x = random_values(size, 1);
    const auto sum = [&](Stream& stream) {
      return std::vector<Values>{squares_of(stream, {tensor_of(stream, {size}, x)})};
    };
    conform(sum, {{dot(x, x)}}, 1e-12);
  }
}

TEST_CASE("sums_of_squares of several tensors have the bits of each alone") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    std::vector<Tensor> all;
    Values alone;
    for (const std::int64_t size : kSquareSizes) {
      const Tensor arena = tensor_of(stream, {size + 1}, random_values(size + 1, 2));
      for (const Tensor& x : {arena.rows(0, size), arena.rows(1, size + 1)}) {
        all.push_back(x);
        alone.push_back(squares_of(stream, {x}).front());
      }
    }
    CHECK(same_bits({squares_of(stream, all)}, {alone}));
    CHECK(squares_of(stream, {}).empty());
  }
}

TEST_CASE("sums_of_squares do not overflow in float32") {
  const auto sum = [](Stream& stream) {
    return std::vector<Values>{squares_of(stream, {tensor_of(stream, {2, 2}, {1e30, 0, 1e30, 0})})};
  };
  const double square = std::pow(static_cast<double>(1e30F), 2);
  conform(sum, {{2 * square}}, 1e-13);
}

TEST_CASE("sums_of_squares refuses what does not fit") {
  refuses(
      [](Stream& stream) {
        sums_of_squares(stream, {.x = {poisoned(stream, {3})}, .out = poisoned(stream, {1})});
      },
      "[sums_of_squares] out holds float32, not float64");
  refuses(
      [](Stream& stream) {
        sums_of_squares(
            stream, {.x = {poisoned(stream, {3})}, .out = poisoned(stream, {2}, DType::float64)});
      },
      "out is [2]: it should be [1]");
}

}  // namespace stagecraft::testing
