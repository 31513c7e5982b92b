// The driver's sums over ranks of a step. Their order of addition is the same for every schedule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/protocol/messages.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Sums of one step over the whole mesh.
struct StepReduction {
  double loss = 0;             // what is trained (total_loss)
  std::vector<double> losses;  // the mean of each
  double squared_norm = 0;     // of the gradient
  std::string not_finite;      // description of the value that is not finite, or ""
};

/// `done` holds the results of all ranks, by rank, and `counts` what the losses count. Losses are
/// added in micro-batch order, then over data ranks along the reduction tree. Squares are added
/// over tensor ranks for each parameter, then over parameters in their order.
StepReduction add_up(const TrainingPlan& plan, const LossCounts& counts,
                     const std::vector<RankResults>& done);

}  // namespace stagecraft
