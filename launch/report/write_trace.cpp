#include "launch/report/write_trace.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "kernels/base/file.h"
#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/artifacts/trace_file.h"
#include "launch/format/print.h"
#include "launch/report/run_analysis.h"
#include "launch/report/schedule_trace.h"
#include "launch/report/trace_summary.h"
#include "stages/explain/step_timeline.h"

namespace stagecraft {
namespace {

std::vector<RankReport> predicted_reports(const TrainingPlan& plan, const RunAnalysis& analysis,
                                          std::int64_t origin_ns) {
  if (!analysis.prediction) {
    return {};
  }
  std::vector<PredictedStep> steps;
  for (const StepTimeline& step : analysis.steps) {
    steps.push_back({step.step, step.begin + static_cast<double>(origin_ns) * 1e-6});
  }
  return predicted_spans(plan.program, analysis.prediction->timeline, plan.mesh, steps);
}

void write_files(const TrainingPlan& plan, const LaunchConfig& session, const RunResult& result) {
  const RunAnalysis analysis = analyse(plan, session, result);
  write_output(*session.trace_file,
               trace_json(result.ranks, predicted_reports(plan, analysis, result.trace_origin_ns),
                          result.trace_origin_ns));
  if (!analysis.steps.empty()) {
    write_file(trace_summary_file(session.directory), trace_summary(plan, analysis));
  }
}

}  // namespace

void write_trace(const TrainingPlan& plan, const RunSettings& settings, const RunResult& result) {
  const LaunchConfig& session = settings.session;
  if (session.trace_file->empty()) {
    return;
  }
  try {
    write_files(plan, session, result);
  } catch (const std::exception& error) {
    print_or_drop(stderr, fmt::format("the trace is not written: {}\n", error.what()));
  }
}

}  // namespace stagecraft
