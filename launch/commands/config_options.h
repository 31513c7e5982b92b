// What the commands that take a configuration share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/config/config_file.h"
#include "launch/setup/resolve.h"
#include "models/data/token_dataset.h"

namespace stagecraft {

struct ConfigOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;  // "section.key=value"
};

/// The cores of this host that the run may use: those of the processor mask, as far as the control
/// group grants their time.
int host_cores();
/// The GPUs of this host. Opens the CUDA module where there is a driver.
DeviceCensus count_gpus();

/// The configuration with its --set options, so that a suggested command changes one thing only.
/// run.directory is left out, since another run needs a directory of its own.
std::string command_words(const ConfigFile& config, const ConfigOptions& options);

/// The text of a resolved run. Throws BadInput with file and line.
TextData text_of(const ConfigFile& config, const ResolvedRun& run);

}  // namespace stagecraft
