// The observer that writes RUN/metrics.jsonl, and the result behind it. From the start of training
// on, the run directory stays.
#pragma once

#include "actors/protocol/run_report.h"
#include "launch/artifacts/metrics_file.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/run_directory.h"
#include "launch/run/line_queue.h"

namespace stagecraft {

class RunFiles : public RunObserver {
 public:
  explicit RunFiles(RunDirectory& directory);

  void on_start() override;
  /// Returns before the row is written. Throws Error if an earlier row could not be written.
  void on_step(const StepReport& report) override;
  /// The same. An evaluation without a loss has no row.
  void on_evaluation_end(const EvaluationReport& report) override;
  /// Waits until all rows are written. Throws Error if one could not be written.
  void flush() { rows_.flush(); }

 private:
  RunDirectory& directory_;
  MetricsFile metrics_;
  LineQueue rows_;
};

/// Writes RUN/result.json, the last file of a run. False, and the reason on stderr, when it cannot
/// be written.
bool record_outcome(const std::filesystem::path& run, const RunOutcome& outcome);

/// Waits for the rows. A row that could not be written is the failure of a run that has none.
void finish_files(RunFiles& files, RunResult& result);

}  // namespace stagecraft
