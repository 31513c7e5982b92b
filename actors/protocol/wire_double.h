// Messages carry a floating-point number as its bits, because CAF 0.17 changes NaN, infinities and
// subnormals between processes.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace stagecraft {

inline std::uint64_t to_wire(double value) { return std::bit_cast<std::uint64_t>(value); }
inline double from_wire(std::uint64_t bits) { return std::bit_cast<double>(bits); }

inline std::vector<std::uint64_t> to_wire_all(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  bits.reserve(values.size());
  for (const double value : values) {
    bits.push_back(to_wire(value));
  }
  return bits;
}

}  // namespace stagecraft
