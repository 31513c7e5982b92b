// Who saves what of a parameter that all data ranks hold.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor_parallel/sharding/shard_spec.h"

namespace stagecraft {

/// A box of fewer elements is saved by one data rank: few pieces, none of them tiny.
inline constexpr std::int64_t kMinCutElements = std::int64_t{1} << 16;
/// What is saved is handed over in pieces of at most this many elements (1 GiB), unless one row is
/// larger.
inline constexpr std::int64_t kMaxPieceElements = std::int64_t{1} << 28;

/// The parts of `boxes` that data rank `rank` of `ranks` saves: every element of the boxes belongs
/// to one rank. `boxes` are those of one tensor rank. They are cut evenly along their first
/// dimension with more than one index. `parameter`, a position in the model, rotates the ranks.
std::vector<ShardBox> saved_boxes(const std::vector<ShardBox>& boxes, std::int64_t parameter,
                                  int rank, int ranks);

/// The fewest runs of a local tensor of `shape` that contain these boxes of it, in order.
std::vector<ElementRun> hulls_of(const std::vector<ShardBox>& boxes, const Shape& shape);

}  // namespace stagecraft
