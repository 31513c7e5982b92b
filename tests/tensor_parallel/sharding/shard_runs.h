// A rank's local tensor, as runs of elements that are consecutive both there and in the global
// tensor.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor_parallel/sharding/shard_spec.h"

namespace stagecraft::test {

struct ShardRun {
  std::int64_t local_begin = 0;
  std::int64_t global_begin = 0;
  std::int64_t count = 0;
};

/// Box by box. Padding belongs to no run.
inline std::vector<ShardRun> shard_runs(const Shape& global, const ShardSpec& spec, int rank,
                                        int ranks) {
  const Shape local = local_shape(global, spec, rank, ranks);
  std::vector<ShardRun> runs;
  for (const ShardBox& box : shard_boxes(global, spec, rank, ranks)) {
    const Shape sizes = box.global.shape();
    const std::int64_t width = sizes.empty() ? 1 : sizes.back();
    const auto row_of = [width](const Box& part, const Shape& whole) {
      std::vector<std::int64_t> rows;  // where each row of the box begins
      for (const ElementRun& run : runs_of(part, whole)) {
        for (std::int64_t i = 0; i < run.count; i += width) {
          rows.push_back(run.begin + i);
        }
      }
      return rows;
    };
    const std::vector<std::int64_t> here = row_of(box.local, local);
    const std::vector<std::int64_t> there = row_of(box.global, global);
    for (std::size_t row = 0; row < here.size(); ++row) {
      runs.push_back({here.at(row), there.at(row), width});
    }
  }
  return runs;
}

}  // namespace stagecraft::test
