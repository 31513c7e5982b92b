// A predicted timeline as spans, so that a trace viewer shows it as it shows a run.
#pragma once

#include <vector>

#include "actors/run_training.h"
#include "stages/program.h"
#include "stages/simulate.h"

namespace stagecraft {

/// One report a stage, of rank `stage`, in the lanes of trace_file.h, from time 0; a unit of the
/// timeline is shown as a millisecond. Waits stand in the schedule lane, sends and receives where
/// they fire, joined by flows.
std::vector<RankReport> predicted_spans(const Program& program, const Timeline& timeline);

}  // namespace stagecraft
