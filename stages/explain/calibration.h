// Calibration: costs from measured steps.
#pragma once

#include <vector>

#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// The mean costs over `steps`, which are measured steps of `program`, in their unit. Compute: per
/// chunk, over micro-batches and ranks. Transfer: from the issue of the send, over transfers that
/// the receiver waited for; 0 if there are none. T: from when both stages have reached it; 0 where
/// a stage did not wait for the other. D and TD that proceeded beside other actions: their own
/// time, and the table says that they overlap. U: from when all ranks have reached it until the
/// last has ended. Requires at least one step.
CostTable calibrate(const Program& program, const MeshShape& mesh,
                    const std::vector<StepTimeline>& steps);

}  // namespace stagecraft
