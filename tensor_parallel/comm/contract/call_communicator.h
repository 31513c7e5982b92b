// A communicator whose operations are calls: checked, named and done as data.
#pragma once

#include "tensor_parallel/comm/contract/call.h"

namespace stagecraft {

/// Its sums follow the tree, whatever the order that was asked for.
class CallCommunicator : public Communicator {
 public:
  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) final;
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) final;
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) final;
  void broadcast(Stream& stream, const Tensor& x, int root) final;
  void send(Stream& stream, const Tensor& x, int to) final;
  void recv(Stream& stream, const Tensor& x, int from) final;

 private:
  /// Checks the call together with the other members'.
  virtual void collective(Stream& stream, const Call& call) = 0;
  /// One end of a message; by itself the call is in order.
  virtual void message(Stream& stream, const Call& call) = 0;
  void checked_message(Stream& stream, const Call& call);
};

}  // namespace stagecraft
