#include "tensor_parallel/sharding/shard_spec.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// The sizes of the groups with padding.
Shape groups_of(const Shape& global, const ShardSpec& spec) {
  const auto dimension = static_cast<std::size_t>(spec.dimension);
  require(dimension < global.size(), "ShardSpec", "{} has no dimension {}", global, spec.dimension);
  const std::int64_t size = global[dimension];
  const std::int64_t padded = spec.padded_size == 0 ? size : spec.padded_size;
  require(padded >= size, "ShardSpec", "the padded size {} is less than the size {}", padded, size);
  if (spec.groups.empty()) {
    return {padded};
  }
  require(padded == size, "ShardSpec", "{} groups cannot be padded", spec.groups.size());
  const auto sum = std::accumulate(spec.groups.begin(), spec.groups.end(), std::int64_t{0});
  require(sum == size, "ShardSpec", "the groups {} do not add up to dimension {} of {}",
          spec.groups, spec.dimension, global);
  return spec.groups;
}

/// The size of a shard's piece of each group.
Shape pieces_of(const Shape& global, const ShardSpec& spec) {
  require(spec.shards >= 1, "ShardSpec", "{} shards: there must be at least 1", spec.shards);
  Shape pieces = groups_of(global, spec);
  for (std::int64_t& size : pieces) {
    require(size % spec.shards == 0, "ShardSpec",
            "a group of {} in dimension {} of {} does not divide into {} shards", size,
            spec.dimension, global, spec.shards);
    size /= spec.shards;
  }
  return pieces;
}

/// The place of one group's piece in the global tensor and in its shard.
struct PiecePlace {
  std::int64_t global_begin = 0;
  std::int64_t local_begin = 0;
  std::int64_t count = 0;  // without padding
};

/// The pieces of a shard that are not all padding. Those that follow each other are one.
std::vector<PiecePlace> places_of(const Shape& global, const ShardSpec& spec, int shard) {
  const std::int64_t size = global[static_cast<std::size_t>(spec.dimension)];
  std::vector<PiecePlace> places;
  std::int64_t group_begin = 0;
  std::int64_t local_begin = 0;
  for (const std::int64_t piece : pieces_of(global, spec)) {
    const std::int64_t begin = group_begin + shard * piece;
    const std::int64_t count = std::clamp<std::int64_t>(size - begin, 0, piece);
    const bool follows =
        !places.empty() && begin == places.back().global_begin + places.back().count;
    if (count > 0 && follows) {
      places.back().count += count;
    } else if (count > 0) {
      places.push_back({begin, local_begin, count});
    }
    group_begin += piece * spec.shards;
    local_begin += piece;
  }
  return places;
}

void check_rank(int rank, int ranks) {
  require(ranks >= 1 && 0 <= rank && rank < ranks, "ShardSpec", "rank {} is not among {} ranks",
          rank, ranks);
}

/// What one shard holds.
Shape shape_of_shard(const Shape& global, const ShardSpec& spec) {
  const Shape pieces = pieces_of(global, spec);
  Shape shape = global;
  shape[static_cast<std::size_t>(spec.dimension)] =
      std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
  return shape;
}

}  // namespace

ShardRange shards_of_rank(int shards, int rank, int ranks) {
  check_rank(rank, ranks);
  require(shards % ranks == 0, "ShardSpec", "{} shards do not divide over {} ranks", shards, ranks);
  return {.first = shards / ranks * rank, .count = shards / ranks, .all = shards};
}

Shape local_shape(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_rank(rank, ranks);
  if (spec.replicated()) {
    return global;
  }
  const int count = shards_of_rank(spec.shards, rank, ranks).count;
  Shape shape = shape_of_shard(global, spec);
  if (count > 1) {
    shape.insert(shape.begin(), count);
  }
  return shape;
}

std::vector<ShardBox> shard_boxes(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_rank(rank, ranks);
  if (spec.replicated()) {
    return elements_of(global) == 0 ? std::vector<ShardBox>{}
                                    : std::vector<ShardBox>{{whole_box(global), whole_box(global)}};
  }
  const ShardRange shards = shards_of_rank(spec.shards, rank, ranks);
  const ShardBox whole{whole_box(global), whole_box(shape_of_shard(global, spec))};
  const auto dimension = static_cast<std::size_t>(spec.dimension);
  if (elements_of(global) == 0) {
    return {};
  }
  std::vector<ShardBox> boxes;
  for (int shard = 0; shard < shards.count; ++shard) {
    for (const PiecePlace& place : places_of(global, spec, shards.first + shard)) {
      ShardBox box = whole;
      box.global.begin[dimension] = place.global_begin;
      box.global.end[dimension] = place.global_begin + place.count;
      box.local.begin[dimension] = place.local_begin;
      box.local.end[dimension] = place.local_begin + place.count;
      if (shards.count > 1) {
        box.local.begin.insert(box.local.begin.begin(), shard);
        box.local.end.insert(box.local.end.begin(), shard + 1);
      }
      boxes.push_back(std::move(box));
    }
  }
  return boxes;
}

}  // namespace stagecraft
