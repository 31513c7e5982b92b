#include "launch/setup/earlier_run.h"

#include <fmt/format.h>

#include <utility>

#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/config_table.h"
#include "launch/config/toml_reader.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSource = "the run that goes on";

/// A reader with the file system that it reads.
struct OpenCheckpoint {
  explicit OpenCheckpoint(const fs::path& folder) : reader(files, folder) {}
  PosixFileSystem files;
  CheckpointReader reader;
};

std::shared_ptr<const CheckpointSource> open_checkpoint(const fs::path& folder) {
  const auto open = std::make_shared<OpenCheckpoint>(folder);
  return {open, &open->reader};
}

/// The folder of the newest whole checkpoint; empty if there is none.
fs::path newest(const fs::path& checkpoints, std::vector<std::string>& damaged) {
  if (checkpoints.empty()) {
    return {};
  }
  PosixFileSystem files;
  const std::int64_t step =
      newest_checkpoint(files, checkpoints, [&](std::int64_t at, const std::string& why) {
        damaged.push_back(fmt::format("the checkpoint of step {} is passed over: {}", at, why));
      });
  return step == 0 ? fs::path() : checkpoint_folder(checkpoints, step);
}

RunSettings settings_in(const fs::path& directory) {
  RunSettings settings = read_config(config_file(directory), {}).settings;
  if (settings.optimizer.decay_steps == 0) {
    settings.optimizer.decay_steps = settings.optimizer.steps;
  }
  return settings;
}

void enter(ConfigFile& config, const char* name, const ConfigValue& value) {
  find_key(name)->set(config.settings, value);
  config.locations[name] = {.text = kSource};
}

}  // namespace

std::optional<EarlierRun> earlier_run(const ConfigFile& config, const std::string& from) {
  const fs::path directory = config.settings.session.directory;
  if (directory.empty() || !fs::exists(config_file(directory))) {
    return {};
  }
  const RunSettings settings = settings_in(directory);
  EarlierRun run;
  run.directory = directory;
  run.result = read_result(directory);
  const auto& named = config.has("checkpoint.directory") ? config.settings.checkpoint.directory
                                                         : settings.checkpoint.directory;
  run.checkpoints = named ? fs::path(*named) : checkpoints_folder(directory);
  run.folder = from.empty()            ? newest(run.checkpoints, run.damaged)
               : from == kNoCheckpoint ? fs::path()
                                       : fs::path(from);
  if (!run.folder.empty()) {
    run.checkpoint = open_checkpoint(run.folder);
  }
  run.settings = run.checkpoint ? run.checkpoint->manifest().settings : key_values(settings);
  return run;
}

void keep_settings(const EarlierRun& earlier, ConfigFile& config) {
  const auto decay = earlier.settings.find("train.decay_steps");
  if (!config.has("train.decay_steps") && decay != earlier.settings.end()) {
    enter(config, "train.decay_steps", std::int64_t{std::stoll(decay->second)});
  }
  if (!config.has("checkpoint.directory") &&
      earlier.checkpoints != checkpoints_folder(earlier.directory)) {
    enter(config, "checkpoint.directory", earlier.checkpoints.string());
  }
}

}  // namespace stagecraft
