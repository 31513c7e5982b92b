#include "launch/setup/checkpoint_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "launch/format/units.h"
#include "models/checkpoint/checkpoint_folder.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kBytesPerParameter = 12;  // a weight and two moments in float32

/// What cannot be asked is no reason to refuse a run, nor is a file system without a size (/proc).
std::int64_t free_bytes(fs::path folder) {
  std::error_code failed;
  folder = fs::absolute(folder, failed);
  while (!fs::exists(folder, failed) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  const fs::space_info space = fs::space(folder, failed);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  return failed || space.capacity == 0
             ? kMax
             : static_cast<std::int64_t>(std::min<std::uintmax_t>(space.available, kMax));
}

}  // namespace

std::optional<CheckpointSpace> checkpoint_space(const ResolvedRun& run) {
  const fs::path directory = run.settings.checkpoint.directory.value_or("");
  if (directory.empty()) {
    return {};
  }
  PosixFileSystem files;
  return CheckpointSpace{
      .directory = directory,
      .keep = run.settings.checkpoint.keep,
      .checkpoint_bytes = kBytesPerParameter * run.plan.model.parameter_count(),
      .present = static_cast<std::int64_t>(checkpoint_steps(files, directory).size()),
      .free_bytes = free_bytes(directory)};
}

/// A new checkpoint is whole before the oldest one goes.
std::string checkpoint_space_text(const CheckpointSpace& space) {
  const std::int64_t missing = std::max<std::int64_t>(1, space.keep + 1 - space.present);
  const std::int64_t room = space.free_bytes / space.checkpoint_bytes;
  return room >= missing
             ? ""
             : fmt::format(
                   "Checkpoints of {} each: the file system of {} has room for {} more, "
                   "and checkpoint.keep = {} needs {}. A save that finds no room fails, "
                   "and the run goes on.\n",
                   bytes_text(space.checkpoint_bytes), space.directory.string(), room, space.keep,
                   missing);
}

void check_checkpoint_space(const CheckpointSpace& space) {
  if (space.free_bytes < space.checkpoint_bytes) {
    throw ConfigError("checkpoint.directory",
                      fmt::format("a checkpoint of this model takes {}, and the file system of {} "
                                  "has {} left; name a folder of another one, or \"\" for no "
                                  "checkpoints",
                                  bytes_text(space.checkpoint_bytes), space.directory.string(),
                                  bytes_text(space.free_bytes)));
  }
}

}  // namespace stagecraft
