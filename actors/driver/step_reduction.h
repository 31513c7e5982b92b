// The driver's sums over ranks. Their order of addition is the same for every schedule.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "actors/protocol/messages.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Sums of one step over the whole mesh.
struct StepReduction {
  double loss = 0;          // nats per token
  double squared_norm = 0;  // of the gradient
  std::string not_finite;   // description of the value that is not finite, or ""
};

/// `done` holds one message per rank. Losses are added in micro-batch order, then over data ranks
/// along the reduction tree. Squares are added over tensor ranks for each parameter, then over
/// parameters in their order.
StepReduction add_up(const TrainingPlan& plan, const std::map<int, StepDone>& done);

/// The losses of one evaluation.
class EvaluationLosses {
 public:
  /// Starts an evaluation of `batches` batches. Each of `ranks` ranks answers every batch.
  void begin(std::int64_t batches, int ranks);
  /// Returns true when `message` was the last answer.
  bool add(const EvaluationDone& message);
  /// In nats, over all samples, added by batch, then rank, then micro-batch.
  double sum() const;

 private:
  std::int64_t answers_due_ = 0;
  std::map<std::pair<std::int64_t, int>, std::vector<double>> losses_;  // by (batch, rank)
};

}  // namespace stagecraft
