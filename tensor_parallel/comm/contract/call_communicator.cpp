#include "tensor_parallel/comm/contract/call_communicator.h"

namespace stagecraft {

void CallCommunicator::all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order /*order*/) {
  collective(stream, {.operation = Operation::all_reduce, .reduce = op, .in = x});
}

void CallCommunicator::all_gather(Stream& stream, const Tensor& part, const Tensor& out) {
  collective(stream, {.operation = Operation::all_gather, .in = part, .out = out});
}

void CallCommunicator::reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part,
                                      Order /*order*/) {
  collective(stream, {.operation = Operation::reduce_scatter, .in = x, .out = part});
}

void CallCommunicator::broadcast(Stream& stream, const Tensor& x, int root) {
  collective(stream, {.operation = Operation::broadcast, .peer = root, .in = x});
}

void CallCommunicator::send(Stream& stream, const Tensor& x, int to) {
  checked_message(stream, {.operation = Operation::send, .peer = to, .in = x});
}

void CallCommunicator::recv(Stream& stream, const Tensor& x, int from) {
  checked_message(stream, {.operation = Operation::recv, .peer = from, .in = x});
}

void CallCommunicator::checked_message(Stream& stream, const Call& call) {
  check_call(call, rank(), size());
  message(stream, call);
}

}  // namespace stagecraft
