// The number of one element in the hash of a tensor, which is the sum of its elements' numbers
// modulo 2^64. What is constexpr here is compiled for GPUs too: one definition serves every device.
#pragma once

#include <cstdint>

namespace stagecraft {

/// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014; constants of Stafford's
/// variant 13): a bijection in which every bit of x changes each bit with a probability near 1/2.
constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// The key of the elements index & ~0xFFFFFFFF and those after it, 2^32 in all. mixed(0) is 0: the
/// first 2^32 elements have the tensor's key.
constexpr std::uint64_t key_of_elements(std::uint64_t key, std::uint64_t index) {
  return key ^ mixed(index >> 32);
}

/// The number of element `index` of a tensor with this key, whose float32 has these bits. Other
/// bits of an element always give another number, and so does another index with equal bits, up to
/// 2^32 elements.
constexpr std::uint64_t element_hash(std::uint64_t key, std::uint64_t index, std::uint32_t bits) {
  return mixed(key_of_elements(key, index) + (index << 32 | bits));
}

}  // namespace stagecraft
