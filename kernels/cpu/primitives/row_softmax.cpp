// Built with -ffp-contract=fast, as block_product.cpp is.
#include "kernels/cpu/primitives/row_softmax.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/cpu/primitives/vector_exp.h"

namespace stagecraft::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kChains = 4;  // one sum or maximum waits for the one before
constexpr std::int64_t kStep = kChains * kVectorLanes;

/// A fixed number of vectors side by side; vector i of a row goes to chain i % kChains.
struct Chains {
  explicit Chains(float start) {
    for (Vector& chain : vectors) {
      chain = Vector{} + start;
    }
  }

  template <typename F>
  void add_row(const float* row, std::int64_t count, F&& add) {
    std::int64_t column = 0;
    for (; column + kStep <= count; column += kStep) {
      add_step(row + column, add);
    }
    // The rest is filled up with -infinity: its exp is zero and it is no maximum.
    std::array<float, kStep> rest;
    rest.fill(kLowest);
    std::copy(row + column, row + count, rest.begin());
    add_step(rest.data(), add);
  }

  template <typename F>
  void add_step(const float* from, F&& add) {
#pragma GCC unroll 4
    for (std::int64_t c = 0; c < kChains; ++c) {
      vectors[c] = add(vectors[c], load(from + c * kVectorLanes));
    }
  }

  std::array<float, kStep> numbers() const {
    std::array<float, kStep> all;
    std::memcpy(all.data(), vectors, sizeof(vectors));
    return all;
  }

  Vector vectors[kChains];
};

}  // namespace

float row_maximum(const float* row, std::int64_t count) {
  Chains chains(kLowest);
  chains.add_row(row, count, [](const Vector& largest, const Vector& value) {
    return value > largest ? value : largest;
  });
  const auto numbers = chains.numbers();
  return *std::max_element(numbers.begin(), numbers.end());
}

float row_sum_of_exp(const float* row, std::int64_t count, float maximum) {
  if (count == 0) {
    return 0;
  }
  Chains chains(0);
  chains.add_row(row, count, [maximum](const Vector& sum, const Vector& value) {
    return sum + exp_nonpositive(value - maximum);
  });
  float sum = 0;
  for (const float number : chains.numbers()) {
    sum += number;
  }
  return sum;
}

void row_scaled_exp(float* row, std::int64_t count, float maximum, float factor) {
  std::int64_t column = 0;
  for (; column + kVectorLanes <= count; column += kVectorLanes) {
    store(row + column, exp_nonpositive(load(row + column) - maximum) * factor);
  }
  std::array<float, kVectorLanes> rest{};
  std::copy(row + column, row + count, rest.begin());
  const Vector last = exp_nonpositive(load(rest.data()) - maximum) * factor;
  store(rest.data(), last);
  std::copy_n(rest.begin(), count - column, row + column);
}

}  // namespace stagecraft::cpu
