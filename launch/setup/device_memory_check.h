// Checks before a run starts that its plan fits the memory of its devices.
#pragma once

#include "launch/setup/device_choice.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Throws ConfigError when the planned peak bytes of the ranks on a device exceed the total memory
/// of the device or the host. Accepts a choice whose memory was not queried. `sharing` is that of
/// processes: a process that does not know which ranks share its device checks the largest rank
/// alone.
void check_device_memory(const TrainingPlan& plan, const LaunchConfig& session,
                         const DeviceChoice& choice, const GpuSharing& sharing);

}  // namespace stagecraft
