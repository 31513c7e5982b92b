// Memory is moved in groups of four elements, whatever the count and the alignment: who owns which
// group, and so the order of every sum, does not depend on whether a group is one load or four.
// Elements are float32 or bfloat16 in memory and float32 in registers.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "kernels/base/error.h"
#include "kernels/core/tensor.h"

namespace stagecraft::cuda {

inline constexpr std::int64_t kGroup = 4;

/// Whether groups of all of these may be moved at once: each lies on 16 bytes, and so do its rows
/// of `columns`. Null counts as aligned.
inline bool is_vectorizable(std::initializer_list<const void*> arrays,
                            std::int64_t columns = kGroup) {
  bool vectorized = columns % kGroup == 0;
  for (const void* array : arrays) {
    vectorized = vectorized && reinterpret_cast<std::uintptr_t>(array) % 16 == 0;
  }
  return vectorized;
}

/// Whether the rows of a matrix begin where groups do, if its first does. Empty counts as such.
inline bool has_grouped_rows(const Tensor& tensor) {
  return tensor.empty() || tensor.row_stride() % kGroup == 0;
}

/// The first element of a tensor that holds T and may be a column range.
template <typename T>
T* first_of(const Tensor& tensor) {
  return static_cast<T*>(tensor.first_element());
}

template <typename T>
__device__ T* row_of(const MatrixView<T>& matrix, std::int64_t row) {
  return matrix.data + row * matrix.row_stride;
}

template <typename T = float>
const T* data_or_null(const Tensor& tensor) {
  return tensor.empty() ? nullptr : tensor.data<T>();
}

/// f.operator()<T>() with the element type of an operation that computes on `dtype`, float32 or
/// bfloat16.
template <typename F>
void with_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      f.template operator()<float>();
      return;
    case DType::bfloat16:
      f.template operator()<BFloat16>();
      return;
    case DType::float64:
    case DType::int32:
      break;
  }
  throw Error("with_element", fmt::format("no operation computes on {}", to_string(dtype)));
}

__device__ inline float widened(float value) { return value; }
__device__ inline float widened(BFloat16 value) {
  return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
}

/// To the nearest, ties to the even one.
template <typename T>
__device__ T narrowed(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
  }
}

__device__ inline float4 load_group(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}
__device__ inline float4 load_group(const BFloat16* from) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(from);
  return {__uint_as_float(pairs.x << 16), __uint_as_float(pairs.x & 0xFFFF0000U),
          __uint_as_float(pairs.y << 16), __uint_as_float(pairs.y & 0xFFFF0000U)};
}
__device__ inline void store_group(float* to, const float4& value) {
  *reinterpret_cast<float4*>(to) = value;
}
__device__ inline void store_group(BFloat16* to, const float4& value) {
  const __nv_bfloat162 low = __floats2bfloat162_rn(value.x, value.y);
  const __nv_bfloat162 high = __floats2bfloat162_rn(value.z, value.w);
  *reinterpret_cast<uint2*>(to) = {*reinterpret_cast<const std::uint32_t*>(&low),
                                   *reinterpret_cast<const std::uint32_t*>(&high)};
}

/// Elements at .. at + 3 of the `count` at `from`; `rest` for those beyond.
template <bool Vectorized, typename T>
__device__ float4 load4(const T* from, std::int64_t at, std::int64_t count, float rest = 0) {
  if (Vectorized && at + kGroup <= count) {
    return load_group(from + at);
  }
  return {at < count ? widened(from[at]) : rest, at + 1 < count ? widened(from[at + 1]) : rest,
          at + 2 < count ? widened(from[at + 2]) : rest,
          at + 3 < count ? widened(from[at + 3]) : rest};
}

template <bool Vectorized, typename T>
__device__ void store4(T* to, std::int64_t at, std::int64_t count, const float4& value) {
  if (Vectorized && at + kGroup <= count) {
    store_group(to + at, value);
    return;
  }
  const float values[] = {value.x, value.y, value.z, value.w};
  for (int i = 0; i < 4; ++i) {
    if (at + i < count) {
      to[at + i] = narrowed<T>(values[i]);
    }
  }
}

/// Four elements as they lie in memory. Widened where they are used: between loads that would wait
/// for each before the next is under way.
template <typename T>
using Packed = std::conditional_t<std::is_same_v<T, float>, float4, uint2>;

template <bool Vectorized, typename T>
__device__ Packed<T> load_packed(const T* row, std::int64_t column, std::int64_t columns) {
  if constexpr (Vectorized) {
    return *reinterpret_cast<const Packed<T>*>(row + column);
  } else {
    alignas(Packed<T>) T elements[kGroup];
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      elements[i] = column + i < columns ? row[column + i] : T{};
    }
    return *reinterpret_cast<const Packed<T>*>(elements);
  }
}

template <typename T>
__device__ float4 unpacked(const Packed<T>& group) {
  return load_group(reinterpret_cast<const T*>(&group));
}

/// To columns of a row that begin within it; with `Wide` the whole group is.
template <bool Vectorized, typename T>
__device__ void store_packed(T* row, std::int64_t column, std::int64_t columns,
                             const float4& value) {
  if constexpr (Vectorized) {
    store_group(row + column, value);
  } else {
    store4<false>(row, column, columns, value);
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
