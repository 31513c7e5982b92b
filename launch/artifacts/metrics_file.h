// RUN/metrics.jsonl: one JSON object a line and a step. See docs/file_formats/metrics.md.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// Without the line's end; nine significant digits, and null for what is not finite.
std::string metrics_line(const StepReport& report);

class MetricsFile {
 public:
  /// Throws Error naming the path.
  explicit MetricsFile(std::filesystem::path path);
  /// The line is in the file when this returns. Throws Error when the disk does not take it.
  void add(const StepReport& report);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace stagecraft
