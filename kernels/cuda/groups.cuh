// Memory is moved in groups of four floats, whatever the count and the alignment: who owns which
// group, and so the order of every sum, does not depend on whether a group is one load or four.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/tensor.h"

namespace stagecraft::cuda {

inline constexpr std::int64_t kGroup = 4;

/// Whether groups of all of these may be moved at once: each lies on 16 bytes, and so do its rows
/// of `columns`. Null counts as aligned.
inline bool moves_wide(std::initializer_list<const float*> arrays, std::int64_t columns = kGroup) {
  bool wide = columns % kGroup == 0;
  for (const float* array : arrays) {
    wide = wide && reinterpret_cast<std::uintptr_t>(array) % 16 == 0;
  }
  return wide;
}

inline const float* data_or_null(const Tensor& tensor) {
  return tensor.empty() ? nullptr : tensor.data<float>();
}

/// Elements at .. at + 3 of the `count` at `from`; `rest` for those beyond.
template <bool Wide>
__device__ float4 load4(const float* from, std::int64_t at, std::int64_t count, float rest = 0) {
  if (Wide && at + kGroup <= count) {
    return *reinterpret_cast<const float4*>(from + at);
  }
  return {at < count ? from[at] : rest, at + 1 < count ? from[at + 1] : rest,
          at + 2 < count ? from[at + 2] : rest, at + 3 < count ? from[at + 3] : rest};
}

template <bool Wide>
__device__ void store4(float* to, std::int64_t at, std::int64_t count, const float4& value) {
  if (Wide && at + kGroup <= count) {
    *reinterpret_cast<float4*>(to + at) = value;
    return;
  }
  const float values[] = {value.x, value.y, value.z, value.w};
  for (int i = 0; i < 4; ++i) {
    if (at + i < count) {
      to[at + i] = values[i];
    }
  }
}

__device__ inline float4 operator+(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}
__device__ inline float4 operator*(const float4& a, const float4& b) {
  return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w};
}
__device__ inline float4 operator*(const float4& a, float b) {
  return {a.x * b, a.y * b, a.z * b, a.w * b};
}
__device__ inline float4 operator-(const float4& a, float b) {
  return {a.x - b, a.y - b, a.z - b, a.w - b};
}
__device__ inline float sum(const float4& a) { return (a.x + a.y) + (a.z + a.w); }

}  // namespace stagecraft::cuda
