// Collectives and point-to-point operations. A communicator is one member's handle of a group;
// every member calls the same operations in the same order. Operations are issued to a stream. On
// the CPU a call returns when the result is complete. On a GPU a call may return before the other
// members have called; then an abort ends the issued work, and the next call throws.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft {

/// tree: the fixed binary tree of reduction_tree.h, with the same bits on every communicator and on
/// every member. any: the order that the library finds fastest.
enum class Order { tree, any };

enum class ReduceOp { sum, maximum };

/// Tensors are contiguous. Every operation throws AbortedError with the culprit's name once a
/// member of the group, or of another group of the same world, has called abort. An operation that
/// is already waiting throws too. Members whose operation, shape or dtype differ get an Error where
/// the backend can detect it.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// x of every member becomes the sum (or maximum) over all members. float32; sums also float64
  /// and bfloat16. bfloat16 is rounded after every addition.
  virtual void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) = 0;
  /// out [size * n] receives the parts [n] in rank order; part and out are disjoint.
  virtual void all_gather(Stream& stream, const Tensor& part, const Tensor& out) = 0;
  /// part [n] receives this rank's n elements of the sum over members of x [size * n]. x does not
  /// change; part and x are disjoint.
  virtual void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) = 0;
  virtual void broadcast(Stream& stream, const Tensor& x, int root) = 0;
  /// Point to point. The send names the receiver and the recv names the sender, with the same shape
  /// and dtype. A send may wait for its recv. A member may not send to itself.
  virtual void send(Stream& stream, const Tensor& x, int to) = 0;
  virtual void recv(Stream& stream, const Tensor& x, int from) = 0;
  virtual void barrier() = 0;

  /// The stream for operations that proceed beside the work of `stream` (start_beside). Their
  /// workspace is charged to the account of `stream`. Without such a stream, `stream` itself.
  virtual Stream& communication_stream(Stream& stream) { return stream; }

  /// A new group of these ranks of this group, in this order; the caller is one of them. Collective
  /// over `members` alone: no other rank takes part. All members give the same list and the same
  /// tag, from 0 on. Groups of one world that exist at the same time and share a member have
  /// different tags, also if they were made from different groups. A call may wait for the other
  /// members, so ranks that share several groups make them in one order. A group of one waits for
  /// nobody and may have any tag.
  virtual std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) = 0;

  /// Ends every wait of the group and of all groups of the same world. Safe from any thread, also
  /// while others wait. The first culprit is kept.
  virtual void abort(std::string_view culprit) noexcept = 0;
  /// Throws AbortedError once abort has been called. Safe from any thread; never waits.
  virtual void check() = 0;
};

/// Runs `work` with the group's communication stream, behind what was issued to `stream`: later
/// work on `stream` overlaps with the communication until `stream` waits for the returned event.
/// Until then the tensors have to keep their buffers, and nothing else may access them. All that
/// was started in the group before is complete then too. Without a communication stream `work` runs
/// on `stream`, and the event has no native part.
Event start_beside(Communicator& group, Stream& stream, const std::function<void(Stream&)>& work);
/// Starts an all_reduce so.
Event start_all_reduce(Communicator& group, Stream& stream, const Tensor& x, ReduceOp op,
                       Order order);

}  // namespace stagecraft
