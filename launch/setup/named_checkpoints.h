// The checkpoints that a person names on the command line.
#pragma once

#include <filesystem>

#include "kernels/base/file_system.h"

namespace stagecraft {

/// Where find_checkpoint() finds them: `path`, a run's directory, a directory of checkpoints or one
/// checkpoint; or the checkpoint.directory of RUN/config.toml, of a run that keeps them elsewhere.
std::filesystem::path named_checkpoints(FileSystem& files, const std::filesystem::path& path);

}  // namespace stagecraft
