#include "models/checkpoint/find_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_folder.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

fs::path newest_in(FileSystem& files, const fs::path& directory) {
  std::string passed_over;
  const std::int64_t newest =
      newest_checkpoint(files, directory, [&](std::int64_t step, const std::string& why) {
        passed_over += fmt::format("; step {}: {}", step, why);
      });
  require(newest > 0, directory.string(), "holds no whole checkpoint{}", passed_over);
  return checkpoint_folder(directory, newest);
}

}  // namespace

bool is_checkpoint(FileSystem& files, const fs::path& folder) {
  return files.exists(folder / "manifest.json");
}

fs::path checkpoint_directory(FileSystem& files, const fs::path& path) {
  const fs::path inside = path / "checkpoints";
  return files.exists(inside) ? inside : path;
}

fs::path find_checkpoint(FileSystem& files, const fs::path& path, std::int64_t step) {
  require(files.exists(path), path.string(), "does not exist");
  if (is_checkpoint(files, path)) {
    return path;
  }
  const fs::path directory = checkpoint_directory(files, path);
  if (step == 0) {
    return newest_in(files, directory);
  }
  const fs::path folder = checkpoint_folder(directory, step);
  require(is_checkpoint(files, folder), directory.string(),
          "holds no checkpoint of step {}; there are those of steps {}", step,
          fmt::join(checkpoint_steps(files, directory), ", "));
  return folder;
}

}  // namespace stagecraft
