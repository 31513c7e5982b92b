// Detects ranks that make no progress. One thread per process, independent of the actors, so that
// it works before they are spawned and while they are stuck. It writes the failures that it finds
// to the progress board and reads those that other processes found from there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "actors/failure/culprit.h"
#include "actors/failure/pause_detector.h"
#include "actors/protocol/deadlines.h"
#include "stages/board/progress_board.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// The constant part of the board of a plan.
BoardInfo board_info(const TrainingPlan& plan, double watchdog_seconds);

struct WatchdogSetup {
  std::shared_ptr<ProgressBoard> board;
  /// The rank of this process; -1: all ranks are threads of this process.
  int own_rank = -1;
  /// Of several hosts: how many ranks this one has. 0: all.
  int ranks_here = 0;
  /// Ends the process at once; gets the run's first cause. Called when the process still runs some
  /// time after the run has failed. Empty: the process is never ended.
  std::function<void(const std::string& cause)> end_process = {};
  std::chrono::seconds end_after = kEndDeadline;
};

class Watchdog {
 public:
  using Hook = std::function<void(const std::string& cause)>;

  explicit Watchdog(WatchdogSetup setup);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// `hook` is called once, from the watchdog's thread, with the run's first cause. An empty hook
  /// removes the previous one, which is not running when this returns. A failed process without a
  /// hook is ended at once.
  void on_cause(Hook hook);
  /// The run has returned: nothing is stuck, and the process is not ended any more.
  void run_has_returned();

 private:
  void run();
  void look();
  WatchedMoment moment();
  std::string find(const WatchedMoment& moment);
  bool launcher_is_gone() const;

  WatchdogSetup setup_;
  int launcher_;
  std::int64_t watching_since_ns_;
  PauseDetector pauses_;
  std::int64_t failed_since_ns_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  Hook hook_;
  std::string told_cause_;  // the run's cause; the hook, if any, was called with it
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace stagecraft
