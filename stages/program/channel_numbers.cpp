#include "stages/program/channel_numbers.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

}  // namespace

ChannelNumbers::ChannelNumbers(const std::vector<int>& stage_of_chunk)
    : edges_(edges_of(stage_of_chunk)),
      activation_(stage_of_chunk.size(), kNone),
      gradient_(stage_of_chunk.size(), kNone) {
  const auto number = [this](const Edge& edge) {
    return static_cast<std::size_t>(std::lower_bound(edges_.begin(), edges_.end(), edge) -
                                    edges_.begin());
  };
  for (std::size_t chunk = 1; chunk < stage_of_chunk.size(); ++chunk) {
    const int below = stage_of_chunk[chunk - 1];
    const int here = stage_of_chunk[chunk];
    if (below != here) {
      activation_[chunk] = number({below, here, Payload::activation});
      gradient_[chunk] = number({here, below, Payload::gradient});
    }
  }
}

std::size_t ChannelNumbers::of(const Instruction& transfer) const {
  const auto chunk = static_cast<std::size_t>(std::max(transfer.chunk, other_end(transfer).chunk));
  const auto& numbers = payload_of(transfer.op) == Payload::activation ? activation_ : gradient_;
  if (chunk >= numbers.size() || numbers[chunk] == kNone) [[unlikely]] {
    throw Error("program",
                fmt::format("{} transfers a tensor that no other stage sends or receives",
                            to_string(transfer)));
  }
  return numbers[chunk];
}

}  // namespace stagecraft
