#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

Event start_beside(Communicator& group, Stream& stream, const std::function<void(Stream&)>& work) {
  Stream& beside = group.communication_stream(stream);
  if (&beside == &stream) {
    work(stream);
    return {};
  }
  Event ready;
  stream.record(ready);
  beside.wait(ready);
  work(beside);
  Event end;
  beside.record(end);
  return end;
}

Event start_all_reduce(Communicator& group, Stream& stream, const Tensor& x, ReduceOp op,
                       Order order) {
  return start_beside(group, stream,
                      [&](Stream& beside) { group.all_reduce(beside, x, op, order); });
}

}  // namespace stagecraft
