// A run's traced steps beside their prediction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/run_report.h"
#include "launch/config/settings.h"
#include "stages/explain/step_timeline.h"
#include "stages/plan/plan.h"
#include "stages/predict/simulate.h"

namespace stagecraft {

struct Prediction {
  CostTable costs;                       // milliseconds
  std::vector<std::int64_t> calibrated;  // the steps that they were measured in; empty: given
  Timeline timeline;
};

struct RunAnalysis {
  std::vector<StepTimeline> steps;       // every traced step that is whole, in milliseconds
  std::optional<Prediction> prediction;  // none: not wanted, or no step to calibrate on
  /// Positions in `steps`: those that the prediction is judged by. Without step 1, which warms up,
  /// and those of the calibration, as long as others are there.
  std::vector<std::size_t> judged;
  std::size_t typical = 0;  // of `judged`, the one of median length
};

RunAnalysis analyse(const TrainingPlan& plan, const SessionConfig& session,
                    const RunResult& result);

}  // namespace stagecraft
