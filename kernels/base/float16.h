// IEEE 754 binary16 on the host: 5 bits of exponent and 10 of fraction.
#pragma once

#include <bit>
#include <cstdint>

namespace stagecraft {

struct Float16 {
  std::uint16_t bits = 0;
};

/// Exact: every float16 is a float32. What is no number stays so. Without a branch on the value, so
/// that a loop over it is vectorized.
constexpr float to_float(Float16 value) {
  constexpr std::uint32_t kExponent = 0x1FU << 23;     // of a float16 that was shifted by 13 bits
  constexpr std::uint32_t kBias = (127U - 15U) << 23;  // float32's exponent bias less float16's
  constexpr std::uint32_t kInfinity = (255U - 31U) << 23;
  const std::uint32_t magnitude = (value.bits & 0x7FFFU) << 13;
  const std::uint32_t exponent = magnitude & kExponent;
  const std::uint32_t sign = (value.bits & 0x8000U) << 16;
  const std::uint32_t normal = magnitude + (exponent == kExponent ? kInfinity : kBias);
  // A subnormal has no leading one: give it one, at exponent -14, and subtract it.
  constexpr float kLeadingOne = 0x1p-14F;
  const float subnormal =
      std::bit_cast<float>(std::bit_cast<std::uint32_t>(kLeadingOne) + magnitude) - kLeadingOne;
  const std::uint32_t bits = exponent == 0 ? std::bit_cast<std::uint32_t>(subnormal) : normal;
  return std::bit_cast<float>(bits | sign);
}

}  // namespace stagecraft
