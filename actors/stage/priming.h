// The priming step: step 0 changes nothing, but allocates memory, selects algorithms and opens
// connections before training begins.
#pragma once

#include <memory>
#include <vector>

#include "kernels/core/stream.h"
#include "stages/execute/executor.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Extra memory of one stage's priming step. The number of a channel's tensors in flight, and so
/// the memory of a step, depends on when credits arrive. The priming step therefore also allocates
/// memory for the largest possible number.
class PrimingStep {
 public:
  bool is_on() const { return on_; }
  void begin(Stream& stream, const TrainingPlan& plan, int stage, const Channels& channels);
  /// Returns the extra memory to the pool.
  void end();

 private:
  bool on_ = false;
  std::vector<std::shared_ptr<Buffer>> spare_;
};

}  // namespace stagecraft
