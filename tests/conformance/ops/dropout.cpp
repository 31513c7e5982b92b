#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

/// The factor of every element, straight from the definition.
Values factors(const Dropout& dropout, std::int64_t rows, std::int64_t columns) {
  Values out;
  const float kept = 1.0F / (1.0F - dropout.probability);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t sample = row / dropout.rows_per_sample;
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t element = row % dropout.rows_per_sample * columns + column;
      const PhiloxBlock words = random_block(
          {dropout.key, dropout.step, dropout.first_sample + static_cast<std::uint64_t>(sample)},
          static_cast<std::uint32_t>(element / 4));
      out.push_back(uniform(words.at(element % 4)) >= dropout.probability ? kept : 0.0F);
    }
  }
  return out;
}

struct Case {
  std::int64_t samples;
  std::int64_t rows_per_sample;
  std::int64_t columns;
  float probability;

  std::int64_t rows() const { return samples * rows_per_sample; }
  Shape shape() const { return {rows(), columns}; }
  Dropout dropout() const {
    return {.probability = probability,
            .key = random_key(7, "dropout"),
            .step = 3,
            .first_sample = 11,
            .rows_per_sample = rows_per_sample};
  }
};

std::vector<Case> cases() {
  return {{1, 1, 1, 0.5F},    {2, 3, 5, 0.1F},   {3, 2, 7, 0.9F},   {2, 5, 64, 0.1F},
          {1, 3, 130, 0.3F},  {2, 2, 511, 0.1F}, {2, 2, 513, 0.1F}, {1, 2, 1030, 0.2F},
          {2, 40, 768, 0.1F}, {4, 2, 33, 0.0F},  {0, 4, 8, 0.1F},   {3, 4, 0, 0.1F}};
}

}  // namespace

TEST_CASE("bias_dropout_residual") {
  for (const Case& with : cases()) {
    for (const bool bias : {false, true}) {
      for (const bool residual : {false, true}) {
        CAPTURE(with.samples, with.rows_per_sample, with.columns, bias, residual);
        const Values x = random_values(with.rows() * with.columns, 1);
        const Values b = random_values(with.columns, 2);
        const Values r = random_values(with.rows() * with.columns, 3);
        Values expected = factors(with.dropout(), with.rows(), with.columns);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double sum = x[i] + (bias ? b[i % b.size()] : 0);
          expected[i] = (residual ? r[i] : 0) + expected[i] * sum;
        }
        const auto forward = [&](Stream& stream) {
          const BiasDropoutResidual args = {
              .x = tensor_of(stream, with.shape(), x),
              .bias = bias ? tensor_of(stream, {with.columns}, b) : Tensor(),
              .residual = residual ? tensor_of(stream, with.shape(), r) : Tensor(),
              .dropout = with.dropout(),
              .y = poisoned(stream, with.shape())};
          bias_dropout_residual(stream, args);
          return std::vector<Values>{values_of(stream, args.y)};
        };
        conform(forward, {expected}, 2e-7);
      }
    }
  }
}

TEST_CASE("bias_dropout_residual in place of x and of the residual") {
  const Case with{2, 3, 70, 0.25F};
  const Values x = random_values(6 * 70, 1);
  const Values r = random_values(6 * 70, 2);
  const auto forward = [&](int target) {
    return [&, target](Stream& stream) {
      BiasDropoutResidual args = {.x = tensor_of(stream, with.shape(), x),
                                  .bias = {},
                                  .residual = tensor_of(stream, with.shape(), r),
                                  .dropout = with.dropout(),
                                  .y = poisoned(stream, with.shape())};
      args.y = target == 0 ? args.y : target == 1 ? args.x : args.residual;
      bias_dropout_residual(stream, args);
      return std::vector<Values>{values_of(stream, args.y)};
    };
  };
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const auto apart = forward(0)(stream);
    CHECK(same_bits(forward(1)(stream), apart));
    CHECK(same_bits(forward(2)(stream), apart));
  }
}

TEST_CASE("dropout_backward is the same mask and factor, also in place") {
  for (const Case& with : cases()) {
    for (const bool in_place : {false, true}) {
      CAPTURE(with.samples, with.rows_per_sample, with.columns, in_place);
      const Values dy = random_values(with.rows() * with.columns, 1);
      Values expected = factors(with.dropout(), with.rows(), with.columns);
      std::transform(dy.begin(), dy.end(), expected.begin(), expected.begin(), std::multiplies<>());
      const auto backward = [&](Stream& stream) {
        const Tensor gradient = tensor_of(stream, with.shape(), dy);
        const Tensor dx = in_place ? gradient : poisoned(stream, with.shape());
        dropout_backward(stream, {.dy = gradient, .dropout = with.dropout(), .dx = dx});
        return std::vector<Values>{values_of(stream, dx)};
      };
      conform(backward, {expected}, 1e-7);
    }
  }
}

TEST_CASE("a mask belongs to the sample, however the batch is cut") {
  const Case with{4, 3, 37, 0.4F};
  const Values ones(static_cast<std::size_t>(with.rows() * with.columns), 1.0);
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const auto dropped = [&](std::int64_t begin, std::int64_t end) {
      const Tensor rows = tensor_of(stream, with.shape(), ones).rows(begin * 3, end * 3);
      Dropout dropout = with.dropout();
      dropout.first_sample += static_cast<std::uint64_t>(begin);
      dropout_backward(stream, {.dy = rows, .dropout = dropout, .dx = rows});
      return values_of(stream, rows);
    };
    Values joined;
    for (const auto& [begin, end] : {std::pair{0, 1}, {1, 3}, {3, 4}}) {
      const Values part = dropped(begin, end);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    CHECK(same_bits({joined}, {dropped(0, 4)}));
  }
}

TEST_CASE("a mask belongs to the row, wherever a tensor begins") {
  for (const std::int64_t columns : {std::int64_t{37}, std::int64_t{16}}) {
    const Case with{4, 5, columns, 0.4F};
    const Values ones(static_cast<std::size_t>(with.rows() * with.columns), 1.0);
    const Values expected = factors(with.dropout(), with.rows(), with.columns);
    for (const auto& [begin, end] : {std::pair{0, 3}, {3, 5}, {4, 13}, {13, 20}}) {
      CAPTURE(columns, begin, end);
      const auto dropped = [&](Stream& stream) {
        const Tensor rows = tensor_of(stream, with.shape(), ones).rows(begin, end);
        Dropout dropout = with.dropout();
        dropout.first_row = begin;
        dropout_backward(stream, {.dy = rows, .dropout = dropout, .dx = rows});
        return std::vector<Values>{values_of(stream, rows)};
      };
      conform(dropped,
              {Values(expected.begin() + begin * columns, expected.begin() + end * columns)}, 1e-7);
    }
  }
}

TEST_CASE("dropout drops its share") {
  const Case with{8, 32, 768, 0.1F};
  const Values mask = factors(with.dropout(), with.rows(), with.columns);
  const auto dropped = static_cast<double>(std::count(mask.begin(), mask.end(), 0.0));
  const auto count = static_cast<double>(mask.size());
  // Six standard deviations of a binomial count.
  CHECK(std::abs(dropped - 0.1 * count) < 6 * std::sqrt(0.1 * 0.9 * count));
}

TEST_CASE("dropout refuses what does not fit") {
  const auto with = [](Dropout dropout) {
    return [=](Stream& stream) {
      const Tensor x = poisoned(stream, {6, 4});
      dropout_backward(stream, {.dy = x, .dropout = dropout, .dx = x});
    };
  };
  refuses(with({.probability = 1.0F}), "[dropout_backward] the dropout probability is 1");
  refuses(with({.probability = -0.5F}), "should be in [0, 1)");
  refuses(with({.probability = 0.5F, .rows_per_sample = 0}), "0 rows a sample");
  refuses(with({.probability = 0.5F, .first_row = -1}), "counted from row -1");
  refuses(
      [](Stream& stream) {
        const Tensor x = poisoned(stream, {6, 4});
        bias_dropout_residual(stream, {.x = x, .bias = poisoned(stream, {6}), .y = x});
      },
      "[bias_dropout_residual] bias is [6]: it should be [4]");
}

}  // namespace stagecraft::testing
