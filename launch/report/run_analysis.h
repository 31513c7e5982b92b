// A run's traced steps and their prediction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/config/settings.h"
#include "stages/explain/step_timeline.h"
#include "stages/plan/plan.h"
#include "stages/predict/simulate.h"

namespace stagecraft {

struct Prediction {
  CostTable costs;                       // milliseconds
  std::vector<std::int64_t> calibrated;  // steps in which the costs were measured; empty: given
  Timeline timeline;
};

struct RunAnalysis {
  /// The mesh of the timelines: the run's, or one pipeline of it if not all ranks have the steps.
  /// Time in a collective with ranks outside it counts as communication whole.
  MeshShape mesh;
  std::vector<int> ranks;                // the run's ranks, by rank of `mesh`
  std::vector<StepTimeline> steps;       // every completely traced step, in milliseconds
  std::optional<Prediction> prediction;  // empty: not requested, or no step to calibrate on
  /// Indices in `steps` of those compared with the prediction. Step 1, which warms up, and the
  /// steps of the calibration are left out, unless no other step was traced.
  std::vector<std::size_t> judged;
  std::size_t typical = 0;  // the step of median duration among `judged`
};

/// `traced`: the ranks that have a trace, on one clock. Times count from `origin_ns`.
RunAnalysis analyse(const TrainingPlan& plan, const LaunchConfig& session,
                    const std::vector<RankSpans>& traced, std::int64_t origin_ns);

}  // namespace stagecraft
