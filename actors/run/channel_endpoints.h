// Which ranks the channels of a plan join.
#pragma once

#include <vector>

#include "stages/plan/plan.h"
#include "stages/program/edge.h"

namespace stagecraft {

/// A channel's two ends, by rank; both are of one column of the mesh.
struct ChannelEndpoints {
  Edge edge;
  int from = 0;
  int to = 0;
};

/// Every channel of the mesh in one order, which all ranks see alike.
std::vector<ChannelEndpoints> channel_endpoints(const TrainingPlan& plan);

}  // namespace stagecraft
