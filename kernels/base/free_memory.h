// How much memory a host has left.
#pragma once

#include <cstdint>
#include <filesystem>

namespace stagecraft {

/// Bytes that the caller could still take: what the host has free or can drop from its caches,
/// within what the caller's control groups grant. `root` is where /proc and /sys lie.
std::int64_t free_memory(const std::filesystem::path& root = "/");

}  // namespace stagecraft
