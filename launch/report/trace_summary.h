// RUN/trace_summary.json: where the time of the traced steps went, beside what was predicted. See
// docs/file_formats/trace_summary.md.
#pragma once

#include <string>

#include "launch/report/run_analysis.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Requires a step.
std::string trace_summary(const TrainingPlan& plan, const RunAnalysis& analysis);

}  // namespace stagecraft
