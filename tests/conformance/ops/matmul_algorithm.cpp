// Products that are large enough for a device to choose by the clock how it computes them: whatever
// it chooses, on whichever stream, by the first call or a later one, no bit may tell.
#include "kernels/backends/make_stream.h"
#include "kernels/ops/checks.h"
#include "kernels/ops/matmul.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::int64_t kRows = 1024;
constexpr std::int64_t kColumns = 2048;
constexpr std::int64_t kSum = 1024;

/// A stream that has computed nothing yet.
std::unique_ptr<Stream> fresh(const DeviceUnderTest& device) {
  return make_stream(device.streams.front()->device(), {.threads = 2});
}

DType dtype_on(const DeviceUnderTest& device) {
  return without_bfloat16(*device.streams.front()).empty() ? DType::bfloat16 : DType::float32;
}

Values left() { return rounded_to(DType::bfloat16, random_values(kRows * kSum, 1)); }
Values right() { return rounded_to(DType::bfloat16, random_values(kSum * kColumns, 2)); }

Matmul product(Stream& stream, DType factors, const Tensor& c) {
  return {.a = tensor_of(stream, {kRows, kSum}, left(), factors),
          .b = tensor_of(stream, {kSum, kColumns}, right(), factors),
          .c = c};
}

Values written(Stream& stream, DType factors, DType result) {
  const Matmul args = product(stream, factors, poisoned(stream, {kRows, kColumns}, result));
  matmul(stream, args);
  return values_of(stream, args.c);
}

/// Every 97th row, in float64.
void check_rows(const Values& c, double tolerance) {
  const Values a = left();
  const Values b = right();
  Values actual;
  Values expected;
  for (std::int64_t row = 0; row < kRows; row += 97) {
    Values sums(kColumns, 0.0);
    for (std::int64_t k = 0; k < kSum; ++k) {
      for (std::int64_t column = 0; column < kColumns; ++column) {
        sums[column] += a[row * kSum + k] * b[k * kColumns + column];
      }
    }
    expected.insert(expected.end(), sums.begin(), sums.end());
    actual.insert(actual.end(), c.begin() + row * kColumns, c.begin() + (row + 1) * kColumns);
  }
  CHECK(max_relative_error(actual, expected) <= tolerance);
}

}  // namespace

TEST_CASE("a large product has the same bits on every stream and at every call") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    const DType factors = dtype_on(device);
    const auto stream = fresh(device);
    const Values first = written(*stream, factors, factors);
    check_rows(first, factors == DType::bfloat16 ? 1.0 / 256 : 1e-5);
    CHECK(same_bits({written(*stream, factors, factors)}, {first}));
    CHECK(same_bits({written(*fresh(device), factors, factors)}, {first}));
  }
}

TEST_CASE("a large product whose first call adds leaves what was there") {
  const Values before = rounded_to(DType::bfloat16, random_values(kRows * kColumns, 3));
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    const DType factors = dtype_on(device);
    const auto stream = fresh(device);
    Matmul args = product(*stream, factors, tensor_of(*stream, {kRows, kColumns}, before));
    args.accumulate = true;
    matmul(*stream, args);
    const Values expected = sum_of(written(*fresh(device), factors, DType::float32), before);
    CHECK(max_relative_error(values_of(*stream, args.c), expected) <= 1e-6);
  }
}

TEST_CASE("a large product with what is fused with it has the same bits on every stream") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    const DType dtype = dtype_on(device);
    const Shape shape = {kRows, kColumns};
    const auto fused = [&] {
      const auto stream = fresh(device);
      const Tensor bias = tensor_of(*stream, {kColumns},
                                    rounded_to(DType::bfloat16, random_values(kColumns, 4)), dtype);
      Matmul with_bias = product(*stream, dtype, poisoned(*stream, shape, dtype));
      with_bias.bias = bias;
      matmul(*stream, with_bias);
      Matmul with_gelu = product(*stream, dtype, poisoned(*stream, shape, dtype));
      with_gelu.bias = bias;
      with_gelu.pre_activation = poisoned(*stream, shape, dtype);
      matmul(*stream, with_gelu);
      Matmul with_slope = product(*stream, dtype, poisoned(*stream, shape, dtype));
      with_slope.activation_grad_of = with_bias.c;
      matmul(*stream, with_slope);
      return std::vector<Values>{values_of(*stream, with_bias.c), values_of(*stream, with_gelu.c),
                                 values_of(*stream, with_gelu.pre_activation),
                                 values_of(*stream, with_slope.c)};
    };
    const std::vector<Values> first = fused();
    CHECK(same_bits(fused(), first));
    CHECK(max_relative_error(first[2], first[0]) <= 1.0 / 256);
  }
}

}  // namespace stagecraft::testing
