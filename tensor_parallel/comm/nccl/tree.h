// Sums along the tree of reduction_tree.h over NCCL: members exchange slices, each reduces its
// slice along the tree, and sends the result to all. The bits equal those of every other
// communicator.
#pragma once

#include <memory>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// A member of a group. All work is issued to `stream`; workspace is charged to `payer`.
struct TreeMember {
  Link& link;
  Stream& stream;
  int rank = 0;
  int size = 2;
  std::shared_ptr<MemoryAccount> payer;
};

/// x of every member becomes the sum (or maximum) over all members.
void tree_all_reduce(const TreeMember& member, const Tensor& x, ReduceOp op);

/// part [n] receives this member's n elements of the sum of x [size * n].
void tree_reduce_scatter(const TreeMember& member, const Tensor& x, const Tensor& part);

}  // namespace stagecraft::nccl
