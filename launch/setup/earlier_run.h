// What a run directory holds of an earlier start of the run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch/artifacts/result_file.h"
#include "launch/config/config_file.h"
#include "launch/setup/key_changes.h"
#include "models/checkpoint/checkpoint_source.h"

namespace stagecraft {

struct EarlierRun {
  std::filesystem::path directory;
  std::filesystem::path checkpoints;  // their directory; empty: the run has none
  KeyValues settings;                 // of the checkpoint, or else of RUN/config.toml
  /// The newest whole one; null: there is none.
  std::shared_ptr<const CheckpointSource> checkpoint;
  std::filesystem::path folder;      // of the checkpoint
  std::vector<std::string> damaged;  // newer checkpoints that are passed over, and why
  std::optional<RunOutcome> result;  // of RUN/result.json; empty: the run ended without one

  /// Of the checkpoint; 0: there is none.
  std::int64_t step() const { return checkpoint ? checkpoint->manifest().step : 0; }
};

/// Says that a run begins at step 1, in place of a checkpoint's path.
inline constexpr const char* kNoCheckpoint = "none";

/// The run that began in the directory which the configuration names; empty if none did: such a
/// directory has a config.toml. `from` is the folder of the checkpoint to go on from, or
/// kNoCheckpoint; "": the newest. Throws BadInput for a config.toml that this program cannot read,
/// and Error "[PATH] ..." for files that cannot be read.
std::optional<EarlierRun> earlier_run(const ConfigFile& config, const std::string& from = "");

/// Enters what the run keeps where the configuration says nothing: the decay of the learning rate
/// and the directory of the checkpoints.
void keep_settings(const EarlierRun& earlier, ConfigFile& config);

}  // namespace stagecraft
