// A run's trace and its summary, as files.
#pragma once

#include "actors/protocol/run_report.h"
#include "launch/config/settings.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Writes the trace where the settings want it, if they do, with what was predicted, and beside the
/// run's other files RUN/trace_summary.json, if a step was whole.
void write_trace(const TrainingPlan& plan, const RunSettings& settings, const RunResult& result);

}  // namespace stagecraft
