#include "launch/setup/named_checkpoints.h"

#include "launch/artifacts/run_directory.h"
#include "launch/config/toml_reader.h"

namespace stagecraft {

std::filesystem::path named_checkpoints(FileSystem& files, const std::filesystem::path& path) {
  const std::filesystem::path config = path / "config.toml";
  if (files.exists(checkpoints_folder(path)) || !files.exists(config)) {
    return path;
  }
  const std::filesystem::path elsewhere =
      read_config(config, {}).settings.checkpoint.directory.value_or("");
  return !elsewhere.empty() && files.exists(elsewhere) ? elsewhere : path;
}

}  // namespace stagecraft
