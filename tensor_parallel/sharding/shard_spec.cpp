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

/// Appends a run, or extends the last one if the new run follows it in both tensors.
void append(std::vector<ShardRun>& runs, const ShardRun& run) {
  if (run.count <= 0) {
    return;
  }
  if (!runs.empty() && runs.back().local_begin + runs.back().count == run.local_begin &&
      runs.back().global_begin + runs.back().count == run.global_begin) {
    runs.back().count += run.count;
  } else {
    runs.push_back(run);
  }
}

/// Appends the rank's runs of one row. Every index of the sharded dimension has `width` elements;
/// local_begin and global_begin are the row's first elements.
void append_pieces(std::vector<ShardRun>& runs, const ShardCut& cut, int groups, std::int64_t width,
                   std::int64_t local_begin, std::int64_t global_begin) {
  for (int group = 0; group < groups; ++group) {
    const std::int64_t begin = group * cut.group_size + cut.begin;
    const std::int64_t count = std::clamp<std::int64_t>(cut.size - begin, 0, cut.piece);
    append(runs, {.local_begin = local_begin + group * cut.piece * width,
                  .global_begin = global_begin + begin * width,
                  .count = count * width});
  }
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

std::vector<ShardRun> shard_runs(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  check_ranks(spec, rank, ranks);
  std::vector<ShardRun> runs;
  if (spec.replicated()) {
    append(runs, {.local_begin = 0, .global_begin = 0, .count = elements_of(global)});
    return runs;
  }
  require(global.size() <= 2, "shard_runs", "{} has more than two dimensions", global);
  const ShardCut cut = cut_of(global, spec, rank, ranks);
  if (spec.dimension == 0) {
    const std::int64_t width = global.size() == 2 ? global[1] : 1;
    append_pieces(runs, cut, spec.groups, width, 0, 0);
    return runs;
  }
  for (std::int64_t row = 0; row < global[0]; ++row) {
    append_pieces(runs, cut, spec.groups, 1, row * cut.piece * spec.groups, row * cut.size);
  }
  return runs;
}

}  // namespace stagecraft
