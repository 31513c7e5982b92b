// What devices do together. A communicator is one member's end of a group; every member calls the
// same operations in the same order. Operations are issued to a stream; on the CPU issue is
// completion, so a call returns when its result is there. On a GPU it may return before the others
// have come; then an abort ends the work that was issued, and the next call throws.
#pragma once

#include <memory>
#include <string_view>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft {

/// tree: along the fixed binary tree of reduction_tree.h, the same bits on every communicator and
/// on every member. any: whatever the library finds fastest.
enum class Order { tree, any };

enum class ReduceOp { sum, maximum };

/// Every operation throws AbortedError, naming the culprit, once any member of the group, or of the
/// group that it was split from, has called abort; also when it is already waiting. Members that
/// disagree about operation, shape or dtype get an Error where the backend can see it.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// x of every member becomes the sum (or maximum) of all; float32 or, for sums, float64
  /// or bfloat16, every join of which is rounded.
  virtual void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) = 0;
  /// out [size * n] receives the parts [n] in rank order; part does not lie within out.
  virtual void all_gather(Stream& stream, const Tensor& part, const Tensor& out) = 0;
  /// part [n] receives this rank's n elements of the sum over members of x [size * n], which stays
  /// as it is and does not hold part.
  virtual void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) = 0;
  virtual void broadcast(Stream& stream, const Tensor& x, int root) = 0;
  /// Point to point; both ends name each other, with the same shape and dtype. A send may wait for
  /// its recv. A member may not send to itself.
  virtual void send(Stream& stream, const Tensor& x, int to) = 0;
  virtual void recv(Stream& stream, const Tensor& x, int from) = 0;
  virtual void barrier() = 0;

  /// As all_reduce, but `stream` does not wait for the end: what is issued to it from now on runs
  /// beside the communication, until it waits for the event. Until then x keeps its buffer, and
  /// nobody else touches it. Where communication has no stream of its own, it is an all_reduce.
  virtual Event start_all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order);

  /// Collective: members of equal `color` form a new group, ordered by (key, rank).
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  /// May be called from any thread, also while others wait; wakes every wait of the group and of
  /// all groups split from the same world. The first culprit stays.
  virtual void abort(std::string_view culprit) noexcept = 0;
  /// Throws AbortedError once abort has been called. From any thread; never waits.
  virtual void check() = 0;
};

}  // namespace stagecraft
