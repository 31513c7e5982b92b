// One NCCL communicator, as the rest of this folder sees it: what NCCL can do by itself. The
// communicator over it (nccl_communicator.cpp) checks, orders streams and knows the tree.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft::nccl {

/// One tensor on its way to, or from, another member.
struct Transfer {
  enum class Way { send, recv };
  Way way = Way::send;
  Tensor tensor = {};
  int peer = 0;
};

/// Operations are enqueued on `stream`, one of the link's device, and have been when a call
/// returns; all members call the same in the same order. Calls come from one thread, abort() from
/// any. After an abort every call throws.
class Link {
 public:
  /// Collective, unless it was aborted: members wait for each other.
  virtual ~Link() = default;

  virtual void all_reduce(Stream& stream, const Tensor& x, ReduceOp op) = 0;
  virtual void all_gather(Stream& stream, const Tensor& part, const Tensor& out) = 0;
  virtual void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part) = 0;
  virtual void broadcast(Stream& stream, const Tensor& x, int root) = 0;
  /// All of them side by side, in one group. A send and its recv carry the same bytes.
  virtual void exchange(Stream& stream, std::span<const Transfer> transfers) = 0;

  /// Work that was issued ends, complete or not.
  virtual void abort() noexcept = 0;
};

/// What a member brings.
struct LinkSetup {
  int device = 0;
  int rank = 0;
  int size = 2;
  std::string id = {};               // of the group: made by one member, the same for all
  int most_blocks = 0;               // CTAs that an operation may take; 0: NCCL's choice
  double deadline_seconds = 60;      // for others to take part where a call has to wait for them
  std::function<void()> check = {};  // throws when the world is over; called while a call waits
};

/// Where links come from: NCCL, or what stands in for it in tests.
struct Library {
  /// A new group's id, on one of its members.
  std::function<std::string()> new_id;
  /// Collective over the group.
  std::function<std::unique_ptr<Link>(const LinkSetup& setup)> connect;
};

}  // namespace stagecraft::nccl
