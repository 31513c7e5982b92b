#include "kernels/cpu/vector_math.h"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

namespace stagecraft::cpu {
namespace {

/// |actual - exact| in units in the last place of the exact value as a float.
double ulps(float actual, double exact) {
  const auto rounded = static_cast<float>(exact);
  const double unit = std::nextafter(rounded, std::numeric_limits<float>::infinity()) - rounded;
  return std::abs(actual - exact) / unit;
}

constexpr int kSteps = 2000000;

}  // namespace

TEST_CASE("exp_vector is within 2 units in the last place") {
  double worst = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const auto x = static_cast<float>(-87.3 + 176.0 * i / kSteps);
    if (x >= -87.3F && x <= 88.7F) {
      worst = std::max(worst, ulps(exp_vector(x), std::exp(static_cast<double>(x))));
    }
  }
  CHECK(worst <= 2.0);
  CHECK(exp_vector(0.0F) == 1.0F);
}

TEST_CASE("exp_vector is zero far below, finite far above, and lets NaN through") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(exp_vector(-88.0F) == 0.0F);
  CHECK(exp_vector(-1e30F) == 0.0F);
  CHECK(exp_vector(-kInfinity) == 0.0F);
  CHECK(exp_vector(1e30F) == exp_vector(88.7F));
  CHECK(exp_vector(kInfinity) > 3e38F);
  CHECK(std::isnan(exp_vector(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("exp_vector has the same bits in a vector lane and alone") {
  std::vector<float> x(1003);
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = -90.0F + 0.18F * static_cast<float>(i);
  }
#pragma omp simd
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = exp_vector(x[i]);
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    volatile float alone = x[i];
    CHECK(exp_vector(alone) == y[i]);
  }
}

TEST_CASE("tanh_vector's absolute error is below 2e-7") {
  double worst = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const auto x = static_cast<float>(-25.0 + 50.0 * i / kSteps);
    worst = std::max(worst, std::abs(tanh_vector(x) - std::tanh(static_cast<double>(x))));
  }
  CHECK(worst < 2e-7);
}

}  // namespace stagecraft::cpu
