#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

Event start_all_reduce(Communicator& group, Stream& stream, const Tensor& x, ReduceOp op,
                       Order order) {
  Stream& beside = group.communication_stream(stream);
  if (&beside == &stream) {
    group.all_reduce(stream, x, op, order);
    return {};
  }
  Event ready;
  stream.record(ready);
  beside.wait(ready);
  group.all_reduce(beside, x, op, order);
  Event end;
  beside.record(end);
  return end;
}

}  // namespace stagecraft
