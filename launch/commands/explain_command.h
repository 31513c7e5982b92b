// `stagecraft explain RUN`: where the time of a run's traced steps went, beside what was predicted,
// and whose fault the idle time is.
#pragma once

#include <filesystem>

namespace stagecraft {

struct ExplainOptions {
  std::filesystem::path run;  // its directory
  std::filesystem::path svg;  // file for the picture of a typical step; "": none
};

/// Reads RUN/trace_summary.json (docs/file_formats/trace_summary.md). Returns 0.
int explain(const ExplainOptions& options);

}  // namespace stagecraft
