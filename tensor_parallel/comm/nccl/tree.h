// Sums along the tree of reduction_tree.h by what NCCL can do: slices to all, a local tree, and all
// slices back. The bits are those of every other communicator.
#pragma once

#include <memory>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// A group's member, and who pays for workspace. All work is issued to `stream`.
struct TreeMember {
  Link& link;
  Stream& stream;
  int rank = 0;
  int size = 2;
  std::shared_ptr<MemoryAccount> payer;
};

/// x of every member becomes the sum, or maximum, of all.
void tree_all_reduce(const TreeMember& member, const Tensor& x, ReduceOp op);

/// part [n] receives this member's n elements of the sum of x [size * n].
void tree_reduce_scatter(const TreeMember& member, const Tensor& x, const Tensor& part);

}  // namespace stagecraft::nccl
