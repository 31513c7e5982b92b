// How a global tensor is divided over the tensor axis, in units of canonical shards.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/tensor.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// One dimension consists of groups (c_attn's q | k | v are three), and each group is divided into
/// `shards` equal pieces. Shard s is the s-th piece of every group. A rank owns shards / ranks
/// consecutive shards. dimension = -1: replicated, every rank holds the whole tensor.
struct ShardSpec {
  int dimension = -1;
  int shards = 1;
  /// The sizes of the groups, which add up to the dimension; empty: one group.
  Shape groups = {};
  /// Size of the dimension with padding; 0: the global size, no padding. Only with one group.
  std::int64_t padded_size = 0;
  bool replicated() const { return dimension < 0; }
  friend bool operator==(const ShardSpec&, const ShardSpec&) = default;
};

/// Consecutive shards of all.
struct ShardRange {
  int first = 0;
  int count = 1;
  int all = 1;
  friend bool operator==(const ShardRange&, const ShardRange&) = default;
};

/// The shards of `rank`. Throws Error if `shards` do not divide over the ranks.
ShardRange shards_of_rank(int shards, int rank, int ranks);

/// The shape of the local tensor of `rank`, padding included. A rank's shards lie one after the
/// other, each contiguous: a rank with several shards has them as a first dimension. Throws Error
/// if the sizes do not divide.
Shape local_shape(const Shape& global, const ShardSpec& spec, int rank, int ranks);

/// A box of the global tensor, and the same elements in a rank's local tensor. With several shards
/// the local box has the shard as a first dimension, with one index.
struct ShardBox {
  Box global;
  Box local;
};

/// The boxes of a rank's local tensor, in local order and as few as can be: for each shard one, or
/// one for each group. Padding belongs to none.
std::vector<ShardBox> shard_boxes(const Shape& global, const ShardSpec& spec, int rank, int ranks);

}  // namespace stagecraft
