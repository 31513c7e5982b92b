// Which checkpoint a person means.
#pragma once

#include <cstdint>
#include <filesystem>

#include "kernels/base/file_system.h"

namespace stagecraft {

/// Whether the folder is one checkpoint.
bool is_checkpoint(FileSystem& files, const std::filesystem::path& folder);

/// The directory of checkpoints that `path` names: PATH/checkpoints of a run's directory, or PATH.
std::filesystem::path checkpoint_directory(FileSystem& files, const std::filesystem::path& path);

/// The folder of the checkpoint that `path` names: a checkpoint itself; of a run's directory or a
/// directory of checkpoints that of `step`, or the newest whole one if `step` is 0. Throws Error
/// "[PATH] ..." if there is none.
std::filesystem::path find_checkpoint(FileSystem& files, const std::filesystem::path& path,
                                      std::int64_t step = 0);

}  // namespace stagecraft
