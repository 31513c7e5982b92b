// One vector register of the processor that this is built for, as a type with arithmetic (the
// compilers' vector extension): for kernels that must keep values in registers.
#pragma once

#include <cstdint>
#include <cstring>

namespace stagecraft::cpu {

/// Floats in one register.
#if defined(__AVX512F__)
inline constexpr std::int64_t kVectorLanes = 16;
#elif defined(__AVX__)
inline constexpr std::int64_t kVectorLanes = 8;
#else
inline constexpr std::int64_t kVectorLanes = 4;
#endif

using Vector [[gnu::vector_size(kVectorLanes * sizeof(float))]] = float;
using IntVector [[gnu::vector_size(kVectorLanes * sizeof(std::int32_t))]] = std::int32_t;

/// `count` rounded up to whole vectors.
constexpr std::int64_t whole_vectors(std::int64_t count) {
  return (count + kVectorLanes - 1) / kVectorLanes * kVectorLanes;
}

/// From and to any address.
inline Vector load(const float* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof(vector));
  return vector;
}
inline void store(float* to, const Vector& vector) { std::memcpy(to, &vector, sizeof(vector)); }

}  // namespace stagecraft::cpu
