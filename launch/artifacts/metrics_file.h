// The rows of RUN/metrics.jsonl: one JSON object per line, one line per step, state hash and
// evaluation. See docs/file_formats/metrics.md.
#pragma once

#include <string>

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// The JSON object of one step, without a newline. Numbers have nine significant digits; a value
/// that is not finite is null.
std::string metrics_line(const StepReport& report);
/// The JSON object of one evaluation that has a loss.
std::string metrics_line(const EvaluationReport& report);
/// The JSON object of the state's hash behind a step.
std::string metrics_line(const StateHashReport& report);

}  // namespace stagecraft
