// The header of a receive slot between processes, which describes the bytes after it: in shared
// memory, or as a message before theirs.
#pragma once

#include <array>
#include <cstdint>

#include "stages/channels/channel.h"

namespace stagecraft {

struct SlotHeader {
  std::uint64_t sequence = 0;
  std::int64_t bytes = 0;
  std::array<std::int64_t, 5> shape{};
  DType dtype = DType::float32;
  std::uint8_t dimensions = 0;
  std::array<std::uint8_t, 6> zero{};
};
static_assert(sizeof(SlotHeader) == 64);

SlotHeader header_of(std::uint64_t sequence, const Tensor& x);
/// Throws Error unless the slot's header matches the envelope.
void check_slot(std::string_view place, const SlotHeader& header, const Envelope& envelope);
/// Throws Error if `x` is larger than a slot.
void check_capacity(std::string_view place, const Tensor& x, std::uint64_t sequence,
                    std::int64_t capacity_bytes);

}  // namespace stagecraft
