// `stagecraft explain RUN`: measured and predicted times of a run's traced steps, and the causes of
// idle time.
#pragma once

#include <filesystem>

namespace stagecraft {

struct ExplainOptions {
  std::filesystem::path run;  // run directory
  std::filesystem::path svg;  // file for the diagram of a typical step; "": none
};

/// Reads RUN/trace_summary.json (docs/file_formats/trace_summary.md). Where it is missing, joins
/// the trace files of the run's ranks first. Returns 0.
int explain(const ExplainOptions& options);

}  // namespace stagecraft
