// The checksum of bytes that a file holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stagecraft {

/// XXH3 with 64 bits and without a seed: https://github.com/Cyan4973/xxHash. It finds damage; it is
/// no defence against an attacker.
std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace stagecraft
