// exp and tanh that the compiler can vectorise: branch-free, float32, the same bits in a vector
// lane and alone.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace stagecraft::cpu {

/// e^x within 2 units in the last place for x in [-87.3, 88.7]; 0 below, the largest finite value's
/// neighbourhood above. Range reduction x = n ln 2 + r with ln 2 in two parts, then a polynomial of
/// degree 6 in r (Cephes, expf).
inline float exp_vector(float x) {
  constexpr float kLog2E = 1.44269504088896341F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  const bool zero = x < -87.3F;
  const float clamped = x > 88.7F ? 88.7F : (zero ? -87.3F : x);
  const float n = std::nearbyint(clamped * kLog2E);
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, clamped));
  float p = 1.9875691500e-4F;
  p = std::fma(p, r, 1.3981999507e-3F);
  p = std::fma(p, r, 8.3334519073e-3F);
  p = std::fma(p, r, 4.1665795894e-2F);
  p = std::fma(p, r, 1.6666665459e-1F);
  p = std::fma(p, r, 5.0000001201e-1F);
  p = std::fma(p, r * r, r) + 1.0F;
  // 2^n in two halves, so that n = 128 does not overflow the exponent field.
  const auto whole = static_cast<std::int32_t>(n);
  const std::int32_t half = whole >> 1;
  const auto first = std::bit_cast<float>((half + 127) << 23);
  const auto second = std::bit_cast<float>((whole - half + 127) << 23);
  const float value = p * first * second;
  return zero ? 0.0F : value;
}

/// tanh(x) = 1 - 2 / (e^(2x) + 1): absolute error below 2e-7.
inline float tanh_vector(float x) {
  const float clamped = x > 20.0F ? 20.0F : (x < -20.0F ? -20.0F : x);
  return 1.0F - 2.0F / (exp_vector(2.0F * clamped) + 1.0F);
}

}  // namespace stagecraft::cpu
