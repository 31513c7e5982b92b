// Base of the communicators that turn each operation into a Call, which is checked and executed.
#pragma once

#include "tensor_parallel/comm/contract/call.h"

namespace stagecraft {

/// Sums always use Order::tree, whichever order is requested.
class CallCommunicator : public Communicator {
 public:
  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) final;
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) final;
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) final;
  void broadcast(Stream& stream, const Tensor& x, int root) final;
  void send(Stream& stream, const Tensor& x, int to) final;
  void recv(Stream& stream, const Tensor& x, int from) final;

 private:
  /// Has to check the call against the other members' calls.
  virtual void collective(Stream& stream, const Call& call) = 0;
  /// One send or recv. check_call has accepted the call.
  virtual void message(Stream& stream, const Call& call) = 0;
  void checked_message(Stream& stream, const Call& call);
};

}  // namespace stagecraft
