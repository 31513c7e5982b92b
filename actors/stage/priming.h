// Before step 1: a step that changes nothing, so that memory, algorithms and connections are there
// when training begins.
#pragma once

#include <memory>
#include <vector>

#include "kernels/core/stream.h"
#include "stages/execute/executor.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// The memory of one stage's priming step. How many tensors of a channel are under way at a time,
/// and with them how much memory a step takes, depends on when credits come: a priming step takes
/// as much more as may ever be under way.
class PrimingStep {
 public:
  bool is_on() const { return on_; }
  void begin(Stream& stream, const TrainingPlan& plan, int stage, const Channels& channels);
  /// What it took goes back to the pool.
  void end();

 private:
  bool on_ = false;
  std::vector<std::shared_ptr<Buffer>> spare_;
};

}  // namespace stagecraft
