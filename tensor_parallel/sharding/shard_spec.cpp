#include "tensor_parallel/sharding/shard_spec.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// The position of a rank's pieces along the sharded dimension.
struct ShardCut {
  std::int64_t size = 0;        // global, without padding
  std::int64_t group_size = 0;  // with padding
  std::int64_t piece = 0;       // the rank's elements in each group
  std::int64_t begin = 0;       // the first of them within the group
};

void check_ranks(const ShardSpec& spec, int rank, int ranks) {
  require(ranks >= 1 && 0 <= rank && rank < ranks, "ShardSpec", "rank {} is not among {} ranks",
          rank, ranks);
  require(spec.replicated() || (spec.shards >= 1 && spec.groups >= 1), "ShardSpec",
          "{} shards in {} groups: both must be at least 1", spec.shards, spec.groups);
  require(spec.replicated() || spec.shards % ranks == 0, "ShardSpec",
          "{} shards do not divide over {} ranks", spec.shards, ranks);
}

ShardCut cut_of(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_ranks(spec, rank, ranks);
  const auto dimension = static_cast<std::size_t>(spec.dimension);
  require(dimension < global.size(), "ShardSpec", "{} has no dimension {}", global, spec.dimension);
  const std::int64_t size = global[dimension];
  const std::int64_t padded = spec.padded_size == 0 ? size : spec.padded_size;
  require(padded >= size, "ShardSpec", "the padded size {} is less than the size {}", padded, size);
  require(padded == size || spec.groups == 1, "ShardSpec", "{} groups cannot be padded",
          spec.groups);
  require(padded % (std::int64_t{spec.groups} * spec.shards) == 0, "ShardSpec",
          "dimension {} of {} does not divide into {} groups of {} shards", spec.dimension, global,
          spec.groups, spec.shards);
  const std::int64_t group_size = padded / spec.groups;
  const std::int64_t piece = group_size / ranks;
  return {.size = size, .group_size = group_size, .piece = piece, .begin = piece * rank};
}

/// Appends the box of `count` elements along `dimension`, or lengthens the last one by it.
void append(std::vector<ShardBox>& boxes, const ShardBox& whole, std::size_t dimension,
            std::int64_t global_begin, std::int64_t local_begin, std::int64_t count) {
  const bool follows = !boxes.empty() && boxes.back().global.end[dimension] == global_begin &&
                       boxes.back().local.end[dimension] == local_begin;
  if (!follows) {
    boxes.push_back(whole);
    boxes.back().global.begin[dimension] = global_begin;
    boxes.back().local.begin[dimension] = local_begin;
  }
  boxes.back().global.end[dimension] = global_begin + count;
  boxes.back().local.end[dimension] = local_begin + count;
}

}  // namespace

Shape local_shape(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_ranks(spec, rank, ranks);
  Shape shape = global;
  if (!spec.replicated()) {
    const ShardCut cut = cut_of(global, spec, rank, ranks);
    shape[static_cast<std::size_t>(spec.dimension)] = cut.piece * spec.groups;
  }
  return shape;
}

std::vector<ShardBox> shard_boxes(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_ranks(spec, rank, ranks);
  const ShardBox whole{whole_box(global), whole_box(local_shape(global, spec, rank, ranks))};
  if (elements_of(global) == 0) {
    return {};
  }
  if (spec.replicated()) {
    return {whole};
  }
  const ShardCut cut = cut_of(global, spec, rank, ranks);
  std::vector<ShardBox> boxes;
  for (int group = 0; group < spec.groups; ++group) {
    const std::int64_t begin = group * cut.group_size + cut.begin;
    const std::int64_t count = std::clamp<std::int64_t>(cut.size - begin, 0, cut.piece);
    if (count > 0) {
      append(boxes, whole, static_cast<std::size_t>(spec.dimension), begin, group * cut.piece,
             count);
    }
  }
  return boxes;
}

}  // namespace stagecraft
