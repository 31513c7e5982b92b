// The members' values and their expected sums, with an independent implementation of the tree.
#pragma once

#include <fmt/format.h>

#include <algorithm>
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

template <typename T>
std::vector<T> values(int rank, std::int64_t count) {
  std::vector<T> all(count);
  for (std::int64_t i = 0; i < count; ++i) {
    all[i] = static_cast<T>(value(rank, i) * (std::is_integral_v<T> ? 1e6F : 1.0F));
  }
  return all;
}

/// Neighbours are added level by level; an odd last part moves up unchanged.
template <typename T>
T tree_sum(std::vector<T> parts) {
  while (parts.size() > 1) {
    std::vector<T> sums;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
      sums.push_back(i + 1 < parts.size() ? parts[i] + parts[i + 1] : parts[i]);
    }
    parts = sums;
  }
  return parts.front();
}

template <typename T>
T expected_sum(int size, std::int64_t index) {
  std::vector<T> parts;
  for (int rank = 0; rank < size; ++rank) {
    parts.push_back(static_cast<T>(value(rank, index)));
  }
  return tree_sum(parts);
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
                                           member.rank(), member.size(), i, count, data[i],
                                           wanted(i)));
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
