// The interface to one NCCL communicator, with only the operations that NCCL has. The Communicator
// on top of it (nccl_communicator.cpp) checks calls, orders streams and adds the reduction tree.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft::nccl {

/// A send to, or a receive from, another member.
struct Transfer {
  enum class Direction { send, recv };
  Direction direction = Direction::send;
  Tensor tensor = {};
  int peer = 0;
};

/// A call returns when its operation is enqueued on `stream`, a stream of the link's device. All
/// members make the same calls in the same order, each from one thread. abort() is safe from any
/// thread; it ends a call that another thread is in. After an abort every call throws.
class Link {
 public:
  /// Collective, unless the link was aborted: members wait for each other.
  virtual ~Link() = default;

  virtual void all_reduce(Stream& stream, const Tensor& x, ReduceOp op) = 0;
  virtual void all_gather(Stream& stream, const Tensor& part, const Tensor& out) = 0;
  virtual void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part) = 0;
  virtual void broadcast(Stream& stream, const Tensor& x, int root) = 0;
  /// Runs all transfers concurrently, as one NCCL group. A send and its recv have the same size in
  /// bytes.
  virtual void exchange(Stream& stream, std::span<const Transfer> transfers) = 0;

  /// Ends all issued work, complete or not.
  virtual void abort() noexcept = 0;
};

/// The arguments with which a member connects.
struct LinkSetup {
  int device = 0;
  int rank = 0;
  int size = 2;
  std::string id = {};               // of the group: made by one member, the same for all
  int most_blocks = 0;               // CTAs that an operation may use; 0: NCCL decides
  double deadline_seconds = 60;      // the longest wait of a call for the other members
  std::function<void()> check = {};  // throws after an abort; called while the link is made
};

/// Creates links: NCCL, or a fake in tests.
struct Library {
  /// The id of a new group; called on one member.
  std::function<std::string()> new_id;
  /// Collective over the group.
  std::function<std::unique_ptr<Link>(const LinkSetup& setup)> connect;
};

}  // namespace stagecraft::nccl
