// The order of receives that torch requires. It matches the sends and the receives of two ranks by
// their order alone, whatever they carry; here each channel has an order of its own.
#pragma once

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "stages/program/program.h"

namespace stagecraft {

/// Moves a receive in front of one whose tensor the same stage sends later. No stage waits more: it
/// waits for the later tensor there in any case.
class ReceiveOrder {
 public:
  explicit ReceiveOrder(const Program& program);
  /// The line of `stage` in that order, without groups. Lines are asked for once.
  std::vector<Instruction> line(int stage);

 private:
  using Key = std::tuple<Op, int, int>;
  /// What one stage sends to another, as the receives of it.
  struct Stream {
    std::vector<Instruction> receives;  // in the order of the sends
    std::size_t next = 0;
  };

  void take(const Instruction& receive, int stage, std::vector<Instruction>& line);

  const Program& program_;
  std::map<std::pair<int, int>, Stream> streams_;  // by source and destination
  std::map<Key, std::size_t> position_;            // of a receive in its stream
};

}  // namespace stagecraft
