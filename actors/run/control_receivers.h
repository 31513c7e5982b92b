// Which ranks send each other control messages, and so need a connection.
#pragma once

#include <vector>

#include "stages/plan/plan.h"

namespace stagecraft {

/// The ranks to whose stages the process of `rank` sends messages, or which send to it, ascending,
/// without `rank`. Rank 0 has the driver, which sends to all. The other ranks send to their
/// pipeline neighbours, and results to their parent (result_gather.h). A stage answers the driver
/// over the connection that rank 0 made.
std::vector<int> control_receivers(const TrainingPlan& plan, int rank);

/// The control connections of the process of `rank`, made by it or by its peers.
int control_connections(const TrainingPlan& plan, int rank);

}  // namespace stagecraft
