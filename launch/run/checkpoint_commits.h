// The observer that makes checkpoints of what the ranks have written: it commits a folder of pieces
// behind the rows of its steps, and keeps as many as the configuration says.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "actors/protocol/run_report.h"
#include "kernels/base/file_system.h"
#include "launch/run/work_queue.h"
#include "launch/setup/run_identity.h"
#include "models/checkpoint/checkpoint_config.h"

namespace stagecraft {

struct CheckpointCommitsSetup {
  std::shared_ptr<FileSystem> files;
  std::filesystem::path directory;  // of the checkpoints; empty: none are made
  CheckpointConfig keep;
  RunIdentity identity;
  std::function<void()> sync_rows;  // returns when the rows of all events are on the disk
  /// Told of every checkpoint and every failure. Called by the thread that commits.
  std::function<void(const std::string&)> say;
};

/// A failure never ends the run, and leaves the earlier checkpoints. The disk delays no event: a
/// thread of its own does the work, in the order of the events.
class CheckpointCommits : public RunObserver {
 public:
  /// Removes what an earlier run has left unfinished.
  explicit CheckpointCommits(CheckpointCommitsSetup setup);

  void on_step(const StepReport& /*report*/) override {}
  void on_checkpoint(const CheckpointReport& report) override;
  void on_checkpoint_failed(const CheckpointFailure& failure) override;
  void on_model_written(const std::filesystem::path& folder) override;

  /// Waits for all commits. A run that was stopped has failed if neither a checkpoint of its last
  /// step nor its model is on the disk.
  void finish(RunResult& result);

 private:
  void commit(const CheckpointReport& report) noexcept;
  void tell_of_waiting(const CheckpointReport& report);
  void prune() noexcept;
  void discard(const CheckpointFailure& failure) noexcept;

  CheckpointCommitsSetup setup_;
  bool model_written_ = false;
  bool told_of_waiting_ = false;
  std::string last_failure_;  // of the queue's thread, until finish()
  WorkQueue work_;
};

}  // namespace stagecraft
