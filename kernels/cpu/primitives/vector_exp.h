// The exponential that softmax and GELU need, in registers.
#pragma once

#include "kernels/cpu/primitives/vector.h"

namespace stagecraft::cpu {

/// e^x for x <= 0 within 2 units in the last place; 0 below -86. Range reduction x = n ln 2 + r
/// with ln 2 in two parts, then a polynomial of degree 6 in r (Cephes, expf). Only for sources that
/// are built with -ffp-contract=fast.
inline Vector exp_nonpositive(const Vector& x) {
  constexpr float kMin = -86.0F;
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to a whole number, in the low bits
  const Vector zero{};
  const Vector clamped = x < kMin ? zero + kMin : x;
  const Vector shifted = clamped * 1.44269504088896341F + kRound;
  const Vector n = shifted - kRound;
  const Vector r = (clamped - n * 0.693359375F) + n * 2.12194440e-4F;
  Vector p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = (p * (r * r) + r) + 1.0F;
  const auto exponent = reinterpret_cast<IntVector>(shifted) << 23;
  const auto value = reinterpret_cast<Vector>(reinterpret_cast<IntVector>(p) + exponent);
  return x < kMin ? zero : value;
}

}  // namespace stagecraft::cpu
