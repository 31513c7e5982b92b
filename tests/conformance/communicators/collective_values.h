// The members' values and their expected sums, with an independent implementation of the tree.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tests/conformance/members.h"

namespace stagecraft::test {

/// Element `index` of member `rank`, in [-1, 1).
inline float value(int rank, std::int64_t index) {
  auto word = static_cast<std::uint32_t>(index) * 2654435761U + 0x9E3779B9U * (rank + 1U);
  word = (word ^ (word >> 15)) * 0x85EBCA6BU;
  word = (word ^ (word >> 13)) * 0xC2B2AE35U;
  return static_cast<float>(static_cast<std::int32_t>(word ^ (word >> 16))) * 0x1p-31F;
}

/// The nearest number with bfloat16's 8 significant bits, ties to the even one: by arithmetic,
/// where the product works on the bits. For numbers of ordinary size.
inline float rounded_to_bfloat16(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8));
}

template <typename T>
T element(int rank, std::int64_t index) {
  const float number = value(rank, index);
  if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bfloat16(number);
  } else {
    return static_cast<T>(number * (std::is_integral_v<T> ? 1e6F : 1.0F));
  }
}

template <typename T>
std::vector<T> values(int rank, std::int64_t count) {
  std::vector<T> all(count);
  for (std::int64_t i = 0; i < count; ++i) {
    all[i] = element<T>(rank, i);
  }
  return all;
}

template <typename T>
T combined(T a, T b) {
  return a + b;
}
/// The exact sum, rounded once.
inline BFloat16 combined(BFloat16 a, BFloat16 b) {
  const double sum = static_cast<double>(to_float(a)) + static_cast<double>(to_float(b));
  return {static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rounded_to_bfloat16(sum)) >> 16)};
}

/// Neighbours are added level by level; an odd last part moves up unchanged.
template <typename T>
T tree_sum(std::vector<T> parts) {
  while (parts.size() > 1) {
    std::vector<T> sums;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
      sums.push_back(i + 1 < parts.size() ? combined(parts[i], parts[i + 1]) : parts[i]);
    }
    parts = sums;
  }
  return parts.front();
}

template <typename T>
T expected_sum(int size, std::int64_t index) {
  std::vector<T> parts;
  for (int rank = 0; rank < size; ++rank) {
    parts.push_back(element<T>(rank, index));
  }
  return tree_sum(parts);
}

inline float shown(BFloat16 number) { return to_float(number); }
template <typename T>
T shown(T number) {
  return number;
}

template <typename T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// Compares every `stride`-th element and the last one.
template <typename T, typename F>
void expect_elements(Member& member, const Tensor& x, F&& wanted, std::int64_t stride = 1) {
  const std::vector<T> data = values_of<T>(member.stream, x);
  const std::int64_t count = x.elements();
  for (std::int64_t i = 0; i < count; i = i + 1 < count ? std::min(i + stride, count - 1) : count) {
    if (!same_bits(data[i], wanted(i))) {
      throw std::runtime_error(fmt::format("member {} of {}: element {} of {} is {}, not {}",
                                           member.rank(), member.size(), i, count, shown(data[i]),
                                           shown(wanted(i))));
    }
  }
}

template <typename T>
void check_all_reduce(Member& member, std::int64_t count) {
  member.doing(fmt::format("all_reduce of {}", count));
  const Tensor x = tensor_of(member.stream, values<T>(member.rank(), count));
  member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
  expect_elements<T>(member, x, [&](std::int64_t i) { return expected_sum<T>(member.size(), i); });
}

}  // namespace stagecraft::test
