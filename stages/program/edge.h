// Edges identify channels; this header also says which channels a program needs.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "stages/program/instruction.h"

namespace stagecraft {

/// Receive slots of a channel. A sender may be this many tensors ahead; then it waits for a credit.
inline constexpr int kReceiveSlots = 2;

/// Identifies a channel by its two stages and by what it carries.
struct Edge {
  int source = 0;
  int destination = 0;
  Payload payload = Payload::activation;
  friend bool operator==(const Edge&, const Edge&) = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): a false positive of the check on a defaulted <=>
  friend std::strong_ordering operator<=>(const Edge&, const Edge&) = default;
};

/// "act 0>1", "grad 1>0".
std::string to_string(const Edge& edge);

/// The channel of a transfer. Throws Error if the chunk of its other end does not exist.
Edge edge_of(const Instruction& transfer, const std::vector<int>& stage_of_chunk);
/// The channels that this placement of chunks needs, each once, in ascending order.
std::vector<Edge> edges_of(const std::vector<int>& stage_of_chunk);

}  // namespace stagecraft
