// Sums along the tree over numbers whose sum depends on the order, to compare backends bit by bit.
#pragma once

#include <vector>

#include "kernels/base/random.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {

/// Numbers whose sum depends on the order.
inline std::vector<float> rough_values(int rank, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto block = random_block({.key = 5, .sample = static_cast<std::uint64_t>(rank)},
                                    static_cast<std::uint32_t>(i));
    values.push_back((uniform(block[0]) - 0.5F) * (block[1] % 3 == 0 ? 1e6F : 1.0F));
  }
  return values;
}

/// A member's results of all_reduce and reduce_scatter along the tree.
inline std::vector<float> sums_of(Member& member, std::int64_t count) {
  Stream& stream = member.stream;
  const Tensor x = tensor_of(stream, rough_values(member.rank(), count));
  const Tensor whole = tensor_of(stream, rough_values(member.rank(), count * member.size()));
  const Tensor part(stream.memory(), {count}, DType::float32, MemoryLabel::workspace);
  member.group.all_reduce(stream, x, ReduceOp::sum, Order::tree);
  member.group.reduce_scatter(stream, whole, part, Order::tree);
  std::vector<float> sums = values_of<float>(stream, x);
  const std::vector<float> more = values_of<float>(stream, part);
  sums.insert(sums.end(), more.begin(), more.end());
  return sums;
}

}  // namespace stagecraft::test
