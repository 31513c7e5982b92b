// Linear layers with an activation fused with them, against float64 and against their parts. They
// hold no communication, so the ranks run one after the other.
#include <catch2/catch.hpp>

#include "kernels/ops/checks.h"
#include "kernels/ops/elementwise.h"
#include "tensor_parallel/layers/linear.h"
#include "tests/conformance/ops/activation_reference.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::int64_t kRows = 70;
constexpr std::int64_t kModel = 40;   // the hidden size
constexpr std::int64_t kInner = 144;  // the side that is cut over ranks

/// Columns begin .. begin + count - 1 of [.., width].
Values columns_of(const Values& matrix, std::int64_t width, std::int64_t begin,
                  std::int64_t count) {
  Values columns;
  for (auto row = matrix.begin(); row != matrix.end(); row += width) {
    columns.insert(columns.end(), row + begin, row + begin + count);
  }
  return columns;
}

/// a [rows, inner] b [inner, columns].
Values product(const Values& a, const Values& b, std::int64_t inner, std::int64_t columns) {
  Values c(a.size() / static_cast<std::size_t>(inner) * static_cast<std::size_t>(columns));
  for (std::size_t at = 0; at < c.size(); ++at) {
    const auto row = static_cast<std::int64_t>(at) / columns;
    const auto column = static_cast<std::int64_t>(at) % columns;
    for (std::int64_t k = 0; k < inner; ++k) {
      c[at] += a[static_cast<std::size_t>(row * inner + k)] *
               b[static_cast<std::size_t>(k * columns + column)];
    }
  }
  return c;
}

Values transposed(const Values& matrix, std::int64_t width) {
  Values result;
  for (std::int64_t column = 0; column < width; ++column) {
    const Values one = columns_of(matrix, width, column, 1);
    result.insert(result.end(), one.begin(), one.end());
  }
  return result;
}

/// One rank's share of the inner side.
struct Share {
  std::int64_t begin;
  std::int64_t count;
};

class Layers {
 public:
  Layers(Stream& stream, DType dtype, Activation kind)
      : stream_(stream), dtype_(dtype), kind_(kind) {}

  void check(const Share& share) {
    check_forward(share);
    check_backward(share);
  }

 private:
  Values drawn(std::int64_t count, std::uint64_t seed, double scale) const {
    Values values = random_values(count, seed);
    for (double& value : values) {
      value *= scale;
    }
    return rounded_to(dtype_, std::move(values));
  }
  Tensor given(const Shape& shape, const Values& values) {
    return tensor_of(stream_, shape, values, dtype_);
  }
  Tensor empty(const Share& share) { return poisoned(stream_, {kRows, share.count}, dtype_); }

  void check_near(const Tensor& actual, const Values& expected) {
    const double tolerance = dtype_ == DType::bfloat16 ? 3.0 / 256 : 1e-5;
    CHECK(max_relative_error(values_of(stream_, actual), expected) <= tolerance);
  }
  /// On the CPU, what is joined has the bits of its parts.
  void check_same(const Tensor& joined, const Tensor& parts) {
    CHECK(same_bits({values_of(stream_, joined)}, {values_of(stream_, parts)}));
  }

  void check_forward(const Share& share) {
    const Values x = drawn(kRows * kModel, 1, 1);
    const Values weight =
        columns_of(drawn(kModel * kInner, 2, 0.25), kInner, share.begin, share.count);
    const Values bias = columns_of(drawn(kInner, 3, 1), kInner, share.begin, share.count);
    Values before = product(x, weight, kModel, share.count);
    for (std::size_t i = 0; i < before.size(); ++i) {
      before[i] += bias[i % bias.size()];
    }
    Values after(before.size());
    std::transform(before.begin(), before.end(), after.begin(),
                   [this](double at) { return activated(kind_, at); });

    const Tensor x_given = given({kRows, kModel}, x);
    const Tensor weight_given = given({kModel, share.count}, weight);
    const Tensor bias_given = given({share.count}, bias);
    const Tensor kept = empty(share);
    const Tensor y = empty(share);
    column_linear_activation_forward(stream_, x_given, weight_given, bias_given, kind_, kept, y);
    check_near(kept, before);
    check_near(y, after);

    const Tensor plain = empty(share);
    const Tensor plain_active = empty(share);
    column_linear_forward(stream_, x_given, weight_given, bias_given, plain);
    activation_forward(stream_, {.x = plain, .y = plain_active, .kind = kind_});
    check_same(kept, plain);
    check_same(y, plain_active);
  }

  void check_backward(const Share& share) {
    const Values dy = drawn(kRows * kModel, 4, 1);
    const Values weight(columns_of(drawn(kModel * kInner, 5, 0.25), kInner, share.begin,
                                   share.count));  // its transpose
    const Values before = drawn(kRows * share.count, 6, 1.5);
    Values expected = product(dy, weight, kModel, share.count);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] *= activation_slope(kind_, before[i]);
    }

    const Tensor dy_given = given({kRows, kModel}, dy);
    const Tensor weight_given = given({share.count, kModel}, transposed(weight, share.count));
    const Tensor before_given = given({kRows, share.count}, before);
    const Tensor dx = empty(share);
    row_linear_activation_backward_input(stream_, dy_given, weight_given, kind_, before_given, dx);
    check_near(dx, expected);

    const Tensor plain = empty(share);
    row_linear_backward_input(stream_, dy_given, weight_given, plain);
    activation_backward(stream_, {.dy = plain, .x = before_given, .dx = plain, .kind = kind_});
    check_same(dx, plain);
  }

  Stream& stream_;
  DType dtype_;
  Activation kind_;
};

}  // namespace

TEST_CASE(
    "linear layers joined with an activation agree with float64 and have the bits of their parts") {
  const Activation kind = GENERATE(Activation::gelu_tanh, Activation::gelu_erf, Activation::relu);
  const DType dtype = GENERATE(DType::float32, DType::bfloat16);
  CAPTURE(kind, to_string(dtype));
  for (const int threads : {1, 2}) {
    const auto stream = make_stream({}, {.threads = threads});
    const std::string reason(without_bfloat16(*stream));
    if (dtype == DType::bfloat16 && !reason.empty()) {
      WARN("bfloat16: skipped, " << reason);
      return;
    }
    for (const int ranks : {1, 2, 3, 4}) {
      const std::int64_t count = kInner / ranks;
      for (int rank = 0; rank < ranks; ++rank) {
        CAPTURE(threads, ranks, rank);
        Layers(*stream, dtype, kind).check({.begin = rank * count, .count = count});
      }
    }
  }
}

}  // namespace stagecraft::testing
