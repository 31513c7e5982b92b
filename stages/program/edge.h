// A channel's name, and which channels a program needs.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/program/instruction.h"

namespace stagecraft {

/// Receive slots of a channel: a sender may be so many tensors ahead, then it waits for a credit.
inline constexpr int kReceiveSlots = 2;

enum class Payload : std::uint8_t { activation, gradient };

/// A channel's name: its ends are stages, its kind what it carries.
struct Edge {
  int source = 0;
  int destination = 0;
  Payload payload = Payload::activation;
  friend bool operator==(const Edge&, const Edge&) = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): what the check sees in a defaulted <=> is its fault
  friend std::strong_ordering operator<=>(const Edge&, const Edge&) = default;
};

/// "act 0>1", "grad 1>0".
std::string to_string(const Edge& edge);

/// The channel of a transfer. Throws Error where its other end would lie beyond the chunks.
Edge edge_of(const Instruction& transfer, const std::vector<int>& stage_of_chunk);
/// The channels that chunks on these stages need, in ascending order, each once.
std::vector<Edge> edges_of(const std::vector<int>& stage_of_chunk);

}  // namespace stagecraft
