// Converts a predicted timeline to spans, so that a trace viewer shows it like a measured run.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/explain/step_timeline.h"
#include "stages/predict/simulate.h"
#include "stages/program/program.h"

namespace stagecraft {

/// Number and start time of a step in the trace.
struct PredictedStep {
  std::int64_t step = 0;
  double begin_ms = 0;
};

/// The spans of these `ranks` of `mesh`, in the lanes of trace_file.h. A unit of the timeline is
/// one millisecond. All ranks of a stage have the timeline of the stage. Waits are in the schedule
/// lane; sends and receives are at the times when they fire, joined by flows.
std::vector<RankSpans> predicted_spans(const Program& program, const Timeline& timeline,
                                       const MeshShape& mesh, const std::vector<int>& ranks,
                                       const std::vector<PredictedStep>& steps);

}  // namespace stagecraft
