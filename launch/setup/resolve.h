// Resolves a configuration file to a run: fills in every value, checks every rule, makes the plan.
#pragma once

#include <filesystem>
#include <string>

#include "launch/config/config_file.h"
#include "launch/config/sources.h"
#include "launch/setup/device_choice.h"
#include "stages/plan/plan.h"

namespace stagecraft {

struct ResolvedRun {
  RunSettings settings;  // with all computed values filled in
  Sources sources;
  TrainingPlan plan;
  DeviceChoice devices;
  int cores = 1;
};

/// Checks the rules over several keys. Throws ConfigError with the names of all keys of the rule.
void check_rules(const ConfigFile& config);

/// `cores`, `count_gpus` and `sharing` describe the machine. Reads the disk only for a free name
/// under runs/ and for a schedule file. Throws BadInput.
ResolvedRun resolve(const ConfigFile& config, int cores, const CountGpus& count_gpus = {},
                    const GpuSharing& sharing = {});

/// Where run directories lie that the configuration does not name, and their name.
inline constexpr const char* kRuns = "runs";
std::string run_name(const ConfigFile& config);

/// Enters the run directory and the paths that follow from it.
void enter_directory(const ConfigFile& config, const std::filesystem::path& directory,
                     RunSettings& settings);

/// Calls `work` and adds locations to a ConfigError that it throws.
template <typename Work>
auto with_locations(const ConfigFile& config, const Work& work) {
  try {
    return work();
  } catch (const ConfigError& error) {
    throw located(config, error);
  }
}

}  // namespace stagecraft
