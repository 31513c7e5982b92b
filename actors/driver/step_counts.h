// What the losses of training steps count. The counts of the next step are computed while the step
// before it runs, so that no rank waits for a count that reads the samples.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "models/families/contents.h"
#include "stages/channels/pass.h"

namespace stagecraft {

/// A function of the data, the seed and the pass.
using CountLosses = std::function<LossCounts(const Pass&)>;

class StepCounts {
 public:
  explicit StepCounts(CountLosses count) : count_(std::move(count)) {}
  /// Computed here unless it was prepared.
  const LossCounts& of(std::int64_t step) {
    if (step != step_) {
      counts_ = count_({PassKind::train, step});
      step_ = step;
    }
    return counts_;
  }
  void prepare(std::int64_t step) { of(step); }

 private:
  CountLosses count_;
  std::int64_t step_ = -1;  // of `counts_`; -1: none
  LossCounts counts_;
};

}  // namespace stagecraft
