#include "launch/report/run_analysis.h"

#include <algorithm>
#include <utility>

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
                                  const MeshShape& mesh, const std::vector<StepTimeline>& steps) {
  Prediction prediction;
  if (!session.trace_cost.empty()) {
    prediction.costs = parse_cost_option(session.trace_cost, plan.program.chunks);
  } else if (session.trace_calibrate && !steps.empty()) {
    const std::vector<StepTimeline> first = calibration_steps(steps);
    prediction.costs = calibrate(plan.program, mesh, first);
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

/// The run's ranks of one pipeline.
std::vector<int> pipeline_of(const MeshShape& mesh, int column) {
  std::vector<int> ranks;
  for (int rank = 0; rank < mesh.ranks(); ++rank) {
    if (column_of(mesh, coordinate_of(mesh, rank)) == column) {
      ranks.push_back(rank);
    }
  }
  return ranks;
}

/// Reads the steps of ranks that form a mesh of their own.
class StepFinder {
 public:
  StepFinder(const TrainingPlan& plan, const std::vector<RankSpans>& traced, std::int64_t origin_ns)
      : plan_(plan), origin_ns_(origin_ns), spans_(static_cast<std::size_t>(plan.mesh.ranks())) {
    for (const RankSpans& rank : traced) {
      spans_[static_cast<std::size_t>(rank.rank)] = &rank.spans;
    }
  }

  /// Of all ranks, or else of the first pipeline that has any.
  void find(RunAnalysis& analysis) const {
    bool found = try_ranks(plan_.mesh, all_ranks(plan_.mesh), analysis);
    for (int column = 0; !found && column < plan_.mesh.data * plan_.mesh.tensor; ++column) {
      found =
          try_ranks({.pipeline = plan_.mesh.pipeline}, pipeline_of(plan_.mesh, column), analysis);
    }
  }

 private:
  bool try_ranks(const MeshShape& mesh, std::vector<int> ranks, RunAnalysis& analysis) const {
    std::vector<const std::vector<Span>*> spans;
    for (const int rank : ranks) {
      spans.push_back(spans_[static_cast<std::size_t>(rank)]);
    }
    if (std::find(spans.begin(), spans.end(), nullptr) != spans.end()) {
      return false;
    }
    analysis.mesh = mesh;
    analysis.ranks = std::move(ranks);
    analysis.steps = measured_timelines(plan_.program, mesh, spans, origin_ns_);
    return !analysis.steps.empty();
  }

  const TrainingPlan& plan_;
  std::int64_t origin_ns_;
  std::vector<const std::vector<Span>*> spans_;  // by rank; null: not traced
};

}  // namespace

RunAnalysis analyse(const TrainingPlan& plan, const LaunchConfig& session,
                    const std::vector<RankSpans>& traced, std::int64_t origin_ns) {
  RunAnalysis analysis;
  StepFinder(plan, traced, origin_ns).find(analysis);
  analysis.prediction = predict(plan, session, analysis.mesh, analysis.steps);
  const bool calibrated = analysis.prediction && !analysis.prediction->calibrated.empty();
  analysis.judged = steps_from(
      analysis.steps, calibrated ? analysis.prediction->calibrated.back() + 1 : kFirstWarmStep);
  analysis.typical = median_step(analysis.steps, analysis.judged);
  return analysis;
}

}  // namespace stagecraft
