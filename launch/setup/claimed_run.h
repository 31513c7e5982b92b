// The run directory of a start: claimed, and with the files of earlier starts out of its way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/earlier_run.h"

namespace stagecraft {

struct ClaimedRun {
  RunDirectory directory;
  std::vector<std::string> notes;  // what was cut and moved, for the person who starts the run
};

/// Claims the directory of the earlier run, or the one that the configuration names, or else the
/// first free one, which may be another than resolve() named. Enters it in the settings. Throws
/// ConfigError, also when the earlier run has gone on since it was read.
ClaimedRun claim_run(const ConfigFile& config, int process,
                     const std::optional<EarlierRun>& earlier, RunSettings& settings);

}  // namespace stagecraft
