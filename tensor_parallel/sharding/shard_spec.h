// How a global tensor is divided over the tensor axis, in units of canonical shards.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/tensor.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// One dimension is divided into `groups` equal parts (c_attn's q | k | v are three), and each part
/// into `shards` equal pieces; shard s is the s-th piece of every part. A rank owns `shards /
/// ranks` consecutive shards. dimension = -1: replicated, every rank holds the whole tensor.
struct ShardSpec {
  int dimension = -1;
  int shards = 1;
  int groups = 1;
  /// Size of the dimension with padding; 0: the global size, no padding. Only with one group.
  std::int64_t padded_size = 0;
  bool replicated() const { return dimension < 0; }
  friend bool operator==(const ShardSpec&, const ShardSpec&) = default;
};

/// The shape of the local tensor of `rank`, padding included. Throws Error if the sizes do not
/// divide.
Shape local_shape(const Shape& global, const ShardSpec& spec, int rank, int ranks);

/// A box of the global tensor, and the same elements in a rank's local tensor.
struct ShardBox {
  Box global;
  Box local;
};

/// The boxes of a rank's local tensor, in local order and as few as can be: one, or one for each
/// group. Padding belongs to none.
std::vector<ShardBox> shard_boxes(const Shape& global, const ShardSpec& spec, int rank, int ranks);

}  // namespace stagecraft
