// The observer that writes the rows of a run, RUN/metrics.jsonl and RUN/state_hashes.jsonl, and the
// result behind them. From the start of training on, the run directory stays.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/protocol/run_report.h"
#include "kernels/base/file_system.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/row_file.h"
#include "launch/artifacts/run_directory.h"
#include "launch/run/line_queue.h"
#include "models/families/model_spec.h"

namespace stagecraft {

struct RunFilesSetup {
  std::shared_ptr<FileSystem> files;
  std::vector<std::string> parameters;  // names in model order
  /// Told once of each file that can take no more rows. Called by the thread that writes.
  std::function<void(const std::string&)> say;
};

/// A run goes on without rows. It does not go on in a directory that another run has taken over:
/// then on_step() and sync() throw Error.
class RunFiles : public RunObserver {
 public:
  RunFiles(RunDirectory& directory, RunFilesSetup setup);

  void on_start() override;
  /// Returns before the row is written, as do the others.
  void on_step(const StepReport& report) override;
  void on_state_hash(const StateHashReport& report) override;
  /// An evaluation without a loss has no row.
  void on_evaluation_end(const EvaluationReport& report) override;
  /// Waits until all rows are written.
  void flush();
  /// Waits until all rows are on the disk. From any thread.
  void sync();

 private:
  /// A file, and the thread that writes it.
  struct Rows {
    Rows(RunFilesSetup& setup, const std::filesystem::path& path);
    void add(std::string row) { queue.add(LineQueue::Kind::line, std::move(row)); }

    RowFile file;
    LineQueue queue;
  };

  RunDirectory& directory_;
  RunFilesSetup setup_;
  Rows metrics_;
  Rows hashes_;
};

/// The names of the model's parameters, in model order.
std::vector<std::string> parameter_names(const ModelSpec& model);

/// Writes RUN/result.json, the last file of a run. False, and the reason on stderr, when it cannot
/// be written.
bool record_outcome(const std::filesystem::path& run, const RunOutcome& outcome);

}  // namespace stagecraft
