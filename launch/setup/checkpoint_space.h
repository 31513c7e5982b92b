// Whether the checkpoints of a run fit where they are to lie, asked before the run begins.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "launch/setup/resolve.h"

namespace stagecraft {

struct CheckpointSpace {
  std::filesystem::path directory;
  std::int64_t keep = 1;              // checkpoint.keep
  std::int64_t checkpoint_bytes = 0;  // of one
  std::int64_t present = 0;           // checkpoints that are there already
  std::int64_t free_bytes = 0;        // of the file system
};

/// Of the file system that the run's checkpoints lie in, or will lie in. Empty for a run without
/// any.
std::optional<CheckpointSpace> checkpoint_space(const ResolvedRun& run);

/// A sentence that says so if there is no room for all checkpoints that are kept; else "".
std::string checkpoint_space_text(const CheckpointSpace& space);

/// Throws ConfigError with the key checkpoint.directory if there is no room for one checkpoint.
void check_checkpoint_space(const CheckpointSpace& space);

}  // namespace stagecraft
