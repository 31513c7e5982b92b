#include "launch/report/run_analysis.h"

#include <algorithm>

#include "launch/config/cost_option.h"
#include "stages/explain/calibration.h"

namespace stagecraft {
namespace {

constexpr std::size_t kCalibrationSteps = 3;

/// Indices of the steps from number `first` on; of all steps when there is none.
std::vector<std::size_t> steps_from(const std::vector<StepTimeline>& steps, std::int64_t first) {
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].step >= first) {
      positions.push_back(i);
    }
  }
  return positions.empty() && first > 0 ? steps_from(steps, 0) : positions;
}

/// Step 1 is the warm-up.
constexpr std::int64_t kFirstWarmStep = 2;

std::vector<StepTimeline> calibration_steps(const std::vector<StepTimeline>& steps) {
  std::vector<StepTimeline> first;
  for (const std::size_t position : steps_from(steps, kFirstWarmStep)) {
    if (first.size() < kCalibrationSteps) {
      first.push_back(steps[position]);
    }
  }
  return first;
}

std::optional<Prediction> predict(const TrainingPlan& plan, const LaunchConfig& session,
                                  const std::vector<StepTimeline>& steps) {
  Prediction prediction;
  if (!session.trace_cost.empty()) {
    prediction.costs = parse_cost_option(session.trace_cost, plan.program.chunks);
  } else if (session.trace_calibrate && !steps.empty()) {
    const std::vector<StepTimeline> first = calibration_steps(steps);
    prediction.costs = calibrate(plan.program, plan.mesh, first);
    for (const StepTimeline& step : first) {
      prediction.calibrated.push_back(step.step);
    }
  } else {
    return {};
  }
  prediction.timeline = simulate(plan.program, prediction.costs);
  return prediction;
}

std::size_t median_step(const std::vector<StepTimeline>& steps,
                        std::vector<std::size_t> positions) {
  std::sort(positions.begin(), positions.end(),
            [&](std::size_t a, std::size_t b) { return steps[a].duration < steps[b].duration; });
  return positions.empty() ? 0 : positions[positions.size() / 2];
}

}  // namespace

RunAnalysis analyse(const TrainingPlan& plan, const LaunchConfig& session,
                    const RunResult& result) {
  RunAnalysis analysis;
  std::vector<const std::vector<Span>*> spans;
  for (const RankReport& rank : result.ranks) {
    spans.push_back(&rank.spans);
  }
  if (static_cast<int>(spans.size()) == plan.mesh.ranks()) {
    analysis.steps = measured_timelines(plan, spans, result.trace_origin_ns);
  }
  analysis.prediction = predict(plan, session, analysis.steps);
  const bool calibrated = analysis.prediction && !analysis.prediction->calibrated.empty();
  analysis.judged = steps_from(
      analysis.steps, calibrated ? analysis.prediction->calibrated.back() + 1 : kFirstWarmStep);
  analysis.typical = median_step(analysis.steps, analysis.judged);
  return analysis;
}

}  // namespace stagecraft
