// What the driver adds up, in orders that no schedule changes.
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
  std::string not_finite;   // what is not finite, or ""
};

/// `done` holds one message per rank. Losses are added in micro-batch order, then over data ranks
/// along the reduction tree; squares per parameter over tensor ranks, then in parameter order.
StepReduction add_up(const TrainingPlan& plan, const std::map<int, StepDone>& done);

/// The losses of one evaluation.
class EvaluationLosses {
 public:
  /// Of an evaluation of `batches` batches, each of which `ranks` ranks answer.
  void begin(std::int64_t batches, int ranks);
  /// Whether that was the last answer.
  bool add(const EvaluationDone& message);
  /// In nats, over all samples: by batch, rank and micro-batch.
  double sum() const;

 private:
  std::int64_t answers_due_ = 0;
  std::map<std::pair<std::int64_t, int>, std::vector<double>> losses_;  // by (batch, rank)
};

}  // namespace stagecraft
