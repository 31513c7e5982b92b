// From what a file says to what a run does: every value filled, every rule checked, the plan made.
#pragma once

#include "launch/config/config_file.h"
#include "launch/config/sources.h"
#include "launch/setup/device_choice.h"
#include "stages/plan/plan.h"

namespace stagecraft {

struct ResolvedRun {
  RunSettings settings;  // nothing left to be computed
  Sources sources;
  TrainingPlan plan;
  DeviceChoice devices;
  int cores = 1;
};

/// Rules over several keys; throws ConfigError naming all of them.
void check_rules(const ConfigFile& config);

/// `cores`, `count_gpus` and `sharing` are what the machine offers. Looks at the disk only for a
/// free name under runs/. Throws BadInput.
ResolvedRun resolve(const ConfigFile& config, int cores, const CountGpus& count_gpus = {},
                    const GpuSharing& sharing = {});

/// Calls `work` and gives ConfigErrors that come out of it their places.
template <typename Work>
auto with_locations(const ConfigFile& config, const Work& work) {
  try {
    return work();
  } catch (const ConfigError& error) {
    throw located(config, error);
  }
}

}  // namespace stagecraft
