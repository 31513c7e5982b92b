#include "kernels/base/float16.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace stagecraft {
namespace {

/// By the definition of IEEE 754.
float defined(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F;
  const int fraction = bits & 0x3FF;
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST_CASE("every float16 is the float32 of the same value") {
  int wrong = 0;
  for (int bits = 0; bits < 65536; ++bits) {
    const float found = to_float(Float16{static_cast<std::uint16_t>(bits)});
    const float expected = defined(static_cast<std::uint16_t>(bits));
    const bool equal = std::isnan(expected) ? std::isnan(found) : found == expected;
    wrong += equal && std::signbit(found) == (bits >= 0x8000) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace stagecraft
