// Writes the trace of a run and its summary.
#pragma once

#include "actors/protocol/run_report.h"
#include "launch/config/settings.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Writes the measured and predicted spans to trace.file, unless that is "". Also writes
/// RUN/trace_summary.json if a step was traced completely. The run's status stands before: an error
/// is printed to standard error and changes nothing.
void write_trace(const TrainingPlan& plan, const RunSettings& settings, const RunResult& result);

}  // namespace stagecraft
