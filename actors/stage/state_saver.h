// Writes a rank's file of a checkpoint, by a thread beside training.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "actors/protocol/messages.h"
#include "kernels/base/file_system.h"
#include "models/parameters/parameter_state.h"
#include "stages/board/progress_slot.h"
#include "stages/execute/stage_work.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// What a saver is constructed from. What the references and pointers name outlives it.
struct StateSaverSetup {
  int rank = 0;
  const TrainingPlan& plan;
  StageWork& work;
  FileSystem& files;
  ProgressSlot& progress;
  /// Called once for each save, also for one that has failed, from the saver's thread.
  std::function<void(StateSaved)> saved;
};

class StateSaver {
 public:
  explicit StateSaver(StateSaverSetup setup) : setup_(std::move(setup)) {}
  /// A write that is under way ends at its next block.
  ~StateSaver();
  StateSaver(const StateSaver&) = delete;
  StateSaver& operator=(const StateSaver&) = delete;

  /// Copies the state behind all updates that were issued, and has the copy written. Waits for the
  /// end of an earlier save. Where the host has no memory for the copy, returns when the file is
  /// written.
  void save(const KeepState& order);
  bool is_writing() const { return writing_; }
  /// Whether the rank waits for the writing. Then the writer's progress is the rank's.
  void set_awaited(bool awaited) { awaited_ = awaited; }

 private:
  void await_earlier();
  void write(const KeepState& order, StateSnapshot* snapshot);
  StateSaved written(const KeepState& order, StateSnapshot* snapshot);
  void save_all(StateWriter& file);
  void advance();

  StateSaverSetup setup_;
  std::unique_ptr<StateSnapshot> snapshot_;
  std::atomic<bool> writing_{false};
  std::atomic<bool> awaited_{false};
  std::atomic<bool> cancelled_{false};
  std::thread thread_;
};

}  // namespace stagecraft
