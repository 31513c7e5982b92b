// The part of a host's processors that a process may use.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

namespace stagecraft {

/// The processors to which the system keeps process `process` (0: the caller), at least 1.
int affinity_cores(pid_t process = 0);

/// The processors' worth of time that the caller's control groups grant, rounded up; empty: no
/// limit. Reads version 1 and version 2. `root` is where /proc and /sys lie.
std::optional<int> quota_cores(const std::filesystem::path& root = "/");

/// The smaller of both.
int available_cores(pid_t process = 0);

}  // namespace stagecraft
