// Tensors of more than 2^31 elements, on a GPU that has room for them: what indexes with 32 bits
// goes wrong there. Rows at both ends and in the middle are compared with float64.
#include <array>
#include <cmath>
#include <cstdio>

#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"
#include "tests/conformance/ops/activation_reference.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::int64_t kColumns = 1024;
constexpr std::int64_t kRows = (std::int64_t{1} << 21) + 77;
static_assert(kRows * kColumns > std::int64_t{1} << 31);
/// Rows repeat so that the host need not draw them all: by a number that shares no factor with a
/// power of two, so that an index without its upper bits meets another row.
constexpr std::int64_t kPeriod = 997;
constexpr std::int64_t kMinBytes = std::int64_t{48} << 30;

/// Null where no device has the memory, which is said in the words that ctest looks for.
Stream* large_stream() {
  for (DeviceUnderTest& device : devices_under_test()) {
    if (device.name == "cuda") {
      if (count_devices(DeviceKind::cuda).bytes.front() >= kMinBytes) {
        return device.streams.front().get();
      }
      std::printf("cuda: skipped, no GPU with %lld GiB\n", static_cast<long long>(kMinBytes >> 30));
    }
  }
  return nullptr;
}

/// [kRows, columns], of which row r is row r % kPeriod of `period`.
class Repeated {
 public:
  Repeated(Stream& stream, std::int64_t columns, std::uint64_t seed, DType dtype)
      : columns_(columns),
        period_(rounded_to(dtype, random_values(kPeriod * columns, seed))),
        tensor_(stream.memory(), {kRows, columns}, dtype, MemoryLabel::workspace) {
    const Tensor first = tensor_of(stream, {kPeriod, columns}, period_, dtype);
    for (std::int64_t begin = 0; begin < kRows; begin += kPeriod) {
      const std::int64_t count = std::min(kPeriod, kRows - begin);
      copy(stream, {.from = first.rows(0, count), .to = tensor_.rows(begin, begin + count)});
    }
  }
  const Tensor& tensor() const { return tensor_; }
  Values row(std::int64_t index) const {
    const auto begin = period_.begin() + index % kPeriod * columns_;
    return {begin, begin + columns_};
  }

 private:
  std::int64_t columns_;
  Values period_;
  Tensor tensor_;
};

Tensor large(Stream& stream, std::int64_t columns, DType dtype) {
  Tensor x(stream.memory(), {kRows, columns}, dtype, MemoryLabel::workspace);
  fill_zero(stream, {.x = x});
  return x;
}

constexpr std::array<std::int64_t, 8> kCheckedRows = {
    0, 1, kRows / 2, kRows / 2 + 1, kRows - 78, kRows - 77, kRows - 2, kRows - 1};

/// Relative to a row's largest number.
double tolerance_of(DType dtype) { return dtype == DType::bfloat16 ? 1.0 / 128 : 1e-5; }

/// `expected` gives a row.
void check_rows(Stream& stream, const Tensor& actual,
                const std::function<Values(std::int64_t row)>& expected) {
  for (const std::int64_t row : kCheckedRows) {
    INFO("row " << row);
    CHECK(max_relative_error(values_of(stream, actual.rows(row, row + 1)), expected(row)) <=
          tolerance_of(actual.dtype()));
  }
}

/// row [inner] b [inner, columns].
Values row_product(const Values& row, const Values& b) {
  Values result(b.size() / row.size());
  for (std::size_t k = 0; k < row.size(); ++k) {
    for (std::size_t j = 0; j < result.size(); ++j) {
      result[j] += row[k] * b[k * result.size() + j];
    }
  }
  return result;
}

std::size_t target_of(std::int64_t row) {
  return static_cast<std::size_t>(row % kPeriod * 13 % kColumns);
}

Tensor targets(Stream& stream) {
  Values all;
  for (std::int64_t row = 0; row < kRows; ++row) {
    all.push_back(static_cast<double>(target_of(row)));
  }
  return tensor_of(stream, {kRows}, all, DType::int32);
}

struct Softmax {
  explicit Softmax(Values row) : gradient(std::move(row)) {
    for (const double logit : gradient) {
      maximum = std::max(maximum, logit);
    }
    for (const double logit : gradient) {
      sum += std::exp(logit - maximum);
    }
  }
  /// From logits to probabilities less the target's one; the loss in nats.
  double become_gradient(std::size_t target) {
    const double loss = std::log(sum) - (gradient[target] - maximum);
    for (double& logit : gradient) {
      logit = std::exp(logit - maximum) / sum;
    }
    gradient[target] -= 1;
    return loss;
  }

  Values gradient;  // the logits at first
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0;
};

Values gradient_of(const Values& logits, std::int64_t row) {
  Softmax softmax(logits);
  softmax.become_gradient(target_of(row));
  return softmax.gradient;
}

/// The target's number, which is larger than all others, apart from them.
void check_gradient(Stream& stream, const Tensor& actual, const Repeated& logits) {
  const double tolerance = tolerance_of(actual.dtype());
  for (const std::int64_t row : kCheckedRows) {
    INFO("row " << row);
    const std::size_t target = target_of(row);
    Values gradient = values_of(stream, actual.rows(row, row + 1));
    Values expected = gradient_of(logits.row(row), row);
    CHECK(gradient.at(target) == Approx(expected.at(target)).epsilon(tolerance));
    gradient.at(target) = expected.at(target) = 0;
    CHECK(max_relative_error(gradient, expected) <= tolerance);
  }
}

/// The loss of all rows, by how often each occurs.
double loss_of(const Repeated& logits) {
  double loss = 0;
  for (std::int64_t row = 0; row < kPeriod; ++row) {
    const std::int64_t times = kRows / kPeriod + (row < kRows % kPeriod ? 1 : 0);
    loss += static_cast<double>(times) * Softmax(logits.row(row)).become_gradient(target_of(row));
  }
  return loss;
}

void check_elementwise(Stream& stream, DType dtype) {
  const Repeated x(stream, kColumns, 1, dtype);
  const Tensor y = large(stream, kColumns, dtype);
  activation_forward(stream, {.x = x.tensor(), .y = y});
  check_rows(stream, y, [&](std::int64_t row) {
    Values values = x.row(row);
    std::transform(values.begin(), values.end(), values.begin(),
                   [](double at) { return activated(Activation::gelu_tanh, at); });
    return values;
  });
  const Values bias = rounded_to(dtype, random_values(kColumns, 2));
  bias_dropout_residual(stream, {.x = x.tensor(),
                                 .bias = tensor_of(stream, {kColumns}, bias, dtype),
                                 .residual = x.tensor(),
                                 .y = y});
  check_rows(stream, y,
             [&](std::int64_t row) { return sum_of(sum_of(x.row(row), bias), x.row(row)); });
  add(stream, {.a = x.tensor(), .b = x.tensor(), .c = y});
  check_rows(stream, y, [&](std::int64_t row) { return sum_of(x.row(row), x.row(row)); });
}

void check_products(Stream& stream, DType dtype) {
  constexpr std::int64_t kInner = 16;
  const Values wide = rounded_to(dtype, random_values(kInner * kColumns, 3));
  const Repeated narrow(stream, kInner, 4, dtype);
  const Tensor c = large(stream, kColumns, dtype);
  matmul(stream,
         {.a = narrow.tensor(), .b = tensor_of(stream, {kInner, kColumns}, wide, dtype), .c = c});
  check_rows(stream, c, [&](std::int64_t row) { return row_product(narrow.row(row), wide); });

  const Repeated x(stream, kColumns, 5, dtype);
  const Tensor y = large(stream, kInner, dtype);
  matmul(stream,
         {.a = x.tensor(), .b = tensor_of(stream, {kColumns, kInner}, wide, dtype), .c = y});
  check_rows(stream, y, [&](std::int64_t row) { return row_product(x.row(row), wide); });
}

void check_softmax(Stream& stream, DType dtype) {
  const Tensor wanted = targets(stream);
  const Tensor loss = poisoned(stream, {1}, DType::float64);
  {
    const Repeated logits(stream, kColumns, 6, dtype);
    softmax_cross_entropy(stream, {.logits = logits.tensor(),
                                   .targets = wanted,
                                   .vocabulary = kColumns,
                                   .scale = 1,
                                   .loss = loss});
    check_gradient(stream, logits.tensor(), logits);
    CHECK(values_of(stream, loss).front() == Approx(loss_of(logits)).epsilon(1e-6));
  }
  // The same in its parts.
  const Repeated logits(stream, kColumns, 6, dtype);
  const VocabularyShard shard{.first_token = 0, .vocabulary = kColumns};
  const Tensor maximum(stream.memory(), {kRows}, DType::float32, MemoryLabel::workspace);
  const Tensor sums(stream.memory(), {2, kRows}, DType::float32, MemoryLabel::workspace);
  softmax_maximum(stream, {.logits = logits.tensor(), .shard = shard, .maximum = maximum});
  softmax_sum(stream, {.logits = logits.tensor(),
                       .maximum = maximum,
                       .targets = wanted,
                       .shard = shard,
                       .sum_and_target = sums});
  check_rows(stream, maximum.view({kRows, 1}),
             [&](std::int64_t row) { return Values{Softmax(logits.row(row)).maximum}; });
  check_rows(stream, sums.view({2 * kRows, 1}),
             [&](std::int64_t row) { return Values{Softmax(logits.row(row)).sum}; });
  softmax_gradient(stream, {.logits = logits.tensor(),
                            .maximum = maximum,
                            .sum_and_target = sums,
                            .targets = wanted,
                            .shard = shard,
                            .scale = 1});
  check_gradient(stream, logits.tensor(), logits);
}

}  // namespace

TEST_CASE("tensors of more than 2^31 elements", "[.large]") {
  const DType dtype = GENERATE(DType::float32, DType::bfloat16);
  CAPTURE(to_string(dtype));
  Stream* const stream = large_stream();
  if (stream == nullptr) {
    return;
  }
  SECTION("element by element") { check_elementwise(*stream, dtype); }
  SECTION("products") { check_products(*stream, dtype); }
  SECTION("softmax") { check_softmax(*stream, dtype); }
}

}  // namespace stagecraft::testing
