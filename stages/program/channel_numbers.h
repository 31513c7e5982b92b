// Numbers the channels of a program, for callers that look up a channel for every transfer.
#pragma once

#include <cstddef>
#include <vector>

#include "stages/program/edge.h"

namespace stagecraft {

class ChannelNumbers {
 public:
  explicit ChannelNumbers(const std::vector<int>& stage_of_chunk);
  /// In the order of edges_of; a channel's number is its position here.
  const std::vector<Edge>& edges() const { return edges_; }
  /// Throws Error for a transfer that no channel carries.
  std::size_t of(const Instruction& transfer) const;

 private:
  std::vector<Edge> edges_;
  // By chunk: the channel over the boundary below the chunk. None for chunk 0, and none where both
  // chunks are on one stage.
  std::vector<std::size_t> activation_;
  std::vector<std::size_t> gradient_;
};

}  // namespace stagecraft
