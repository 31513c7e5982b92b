// RUN/trace_summary.json: measured and predicted times of the traced steps. See
// docs/file_formats/trace_summary.md.
#pragma once

#include <string>
#include <vector>

#include "launch/artifacts/rank_traces.h"
#include "launch/report/run_analysis.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// REQUIRES: at least one step was traced.
std::string trace_summary(const TrainingPlan& plan, const RunAnalysis& analysis,
                          const std::vector<TraceGap>& gaps);

}  // namespace stagecraft
