// The ranks at the two ends of each channel of a plan.
#pragma once

#include <vector>

#include "stages/plan/plan.h"
#include "stages/program/edge.h"

namespace stagecraft {

/// The two ranks of a channel. Both are in the same mesh column.
struct ChannelEndpoints {
  Edge edge;
  int from = 0;
  int to = 0;
};

/// Every channel of the mesh, in the same order on all ranks.
std::vector<ChannelEndpoints> channel_endpoints(const TrainingPlan& plan);

}  // namespace stagecraft
