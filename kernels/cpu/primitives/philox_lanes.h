// Philox, many blocks side by side: the numbers of random_block (kernels/base/random.h), as fast
// as vectors allow.
#pragma once

#include <cstdint>

#include "kernels/base/random.h"

namespace stagecraft::cpu {

inline constexpr int kPhiloxLanes = 16;

/// words[w * stride + l] = random_block(place, blocks[l])[w] for the four words w and the lanes
/// l = 0 .. kPhiloxLanes - 1.
void philox_lanes(const RandomCoordinate& coordinate, const std::uint32_t* blocks,
                  std::uint32_t* words, std::int64_t stride);

}  // namespace stagecraft::cpu
