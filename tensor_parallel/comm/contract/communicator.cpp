#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

Event Communicator::start_all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) {
  all_reduce(stream, x, op, order);
  Event end;
  stream.record(end);
  return end;
}

}  // namespace stagecraft
