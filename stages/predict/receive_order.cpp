#include "stages/predict/receive_order.h"

namespace stagecraft {

ReceiveOrder::ReceiveOrder(const Program& program) : program_(program) {
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (const TransferGroup& group : program.stages[stage]) {
      for (const Instruction& i : group) {
        if (is_send(i.op)) {
          const Instruction receive = other_end(i);
          const int destination =
              program.stage_of_chunk.at(static_cast<std::size_t>(receive.chunk));
          std::vector<Instruction>& due = streams_[{static_cast<int>(stage), destination}].receives;
          position_[{receive.op, receive.chunk, receive.microbatch}] = due.size();
          due.push_back(receive);
        }
      }
    }
  }
}

std::vector<Instruction> ReceiveOrder::line(int stage) {
  std::vector<Instruction> line;
  for (const TransferGroup& group : program_.stages[static_cast<std::size_t>(stage)]) {
    for (const Instruction& i : group) {
      if (is_receive(i.op)) {
        take(i, stage, line);
      } else {
        line.push_back(i);
      }
    }
  }
  return line;
}

/// Adds the receive, and before it those of what the same stage sends earlier.
void ReceiveOrder::take(const Instruction& receive, int stage, std::vector<Instruction>& line) {
  const Instruction send = other_end(receive);
  const int source = program_.stage_of_chunk.at(static_cast<std::size_t>(send.chunk));
  Stream& stream = streams_[{source, stage}];
  const auto sent = position_.find({receive.op, receive.chunk, receive.microbatch});
  if (sent == position_.end()) {
    line.push_back(receive);
    return;
  }
  for (; stream.next <= sent->second; ++stream.next) {
    line.push_back(stream.receives[stream.next]);
  }
}

}  // namespace stagecraft
