// The channels of a program by number, for those who look up one a transfer.
#pragma once

#include <cstddef>
#include <vector>

#include "stages/program/edge.h"

namespace stagecraft {

class ChannelNumbers {
 public:
  explicit ChannelNumbers(const std::vector<int>& stage_of_chunk);
  /// As edges_of has them; a channel's number is its position.
  const std::vector<Edge>& edges() const { return edges_; }
  /// Throws Error for a transfer that no channel carries.
  std::size_t of(const Instruction& transfer) const;

 private:
  std::vector<Edge> edges_;
  // By chunk, over the boundary below it; of chunk 0 and where both lie on one stage: none.
  std::vector<std::size_t> activation_;
  std::vector<std::size_t> gradient_;
};

}  // namespace stagecraft
