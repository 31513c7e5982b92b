// Costs from measurement.
#pragma once

#include <vector>

#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// The mean over `steps`, which are measured steps of `program`, in their unit. Compute per chunk,
/// over micro-batches and ranks. A transfer: over those whose receiver waited for them, from the
/// send's issue; 0 where none did. T from when both stages had come to it, 0 where one did not wait
/// for the other; U from when all had, until the last ended. Requires a step.
CostTable calibrate(const Program& program, const MeshShape& mesh,
                    const std::vector<StepTimeline>& steps);

}  // namespace stagecraft
