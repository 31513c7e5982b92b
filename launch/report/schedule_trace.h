// A predicted timeline as spans, so that a trace viewer shows it as it shows a run.
#pragma once

#include <cstdint>
#include <vector>

#include "actors/protocol/run_report.h"
#include "stages/predict/simulate.h"
#include "stages/program/program.h"

namespace stagecraft {

/// Where a predicted step is drawn.
struct PredictedStep {
  std::int64_t step = 0;
  double begin_ms = 0;
};

/// One report a rank of `mesh`, in the lanes of trace_file.h; a unit of the timeline is shown as a
/// millisecond. Every rank of a stage does as its stage. Waits stand in the schedule lane, sends
/// and receives where they fire, joined by flows.
std::vector<RankReport> predicted_spans(const Program& program, const Timeline& timeline,
                                        const MeshShape& mesh,
                                        const std::vector<PredictedStep>& steps);

}  // namespace stagecraft
