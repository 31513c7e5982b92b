// Whether a run's plan has room on its devices, asked before anything is started.
#pragma once

#include "launch/setup/device_choice.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Throws ConfigError where the ranks of a device plan more bytes at their peak than the device, or
/// the host, has in all. Says nothing of a choice whose memory nobody looked at. `sharing` is of
/// processes: one that does not know which others share its device counts the largest rank alone.
void check_device_memory(const TrainingPlan& plan, const SessionConfig& session,
                         const DeviceChoice& choice, const GpuSharing& sharing);

}  // namespace stagecraft
