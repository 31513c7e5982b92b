// RUN/metrics.jsonl: one JSON object per line, one line per step and per evaluation. See
// docs/file_formats/metrics.md.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// The JSON object of one step, without a newline. Numbers have nine significant digits; a value
/// that is not finite is null.
std::string metrics_line(const StepReport& report);
/// The JSON object of one evaluation that has a loss.
std::string metrics_line(const EvaluationReport& report);

class MetricsFile {
 public:
  /// Opens the file. Throws Error with the path.
  explicit MetricsFile(std::filesystem::path path);
  /// Writes and flushes one line of metrics_line(). Throws Error when the write fails.
  void add(const std::string& line);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace stagecraft
