// Sees that somebody does not move, whoever it is: one thread per process, beside all actors, so
// that it works before there are any and when they are stuck. What it finds, and what others have
// found, it reads from and writes to the progress board, which is how a failure spreads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "stages/board/board_report.h"
#include "stages/board/progress_board.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Who is to blame, and in which words.
struct Finding {
  int rank = -1;  // -1: no one rank
  std::string text;
};

/// What a watch knows beside the board. The clocks are of one moment.
struct WatchedMoment {
  std::int64_t now_ns = 0;  // steady clock
  BoardReader reader;       // host, wall clock, who is alive
  /// Ranks are processes: they may be gone, or not come.
  bool processes = false;
};

/// Empty while all is well. Otherwise, the first that holds: a process that is gone without having
/// ended; one that has given no heartbeat for the board's watchdog_seconds; one that has not come
/// in that time; a rank at work that has not moved for so long; all ranks waiting for each other.
std::optional<Finding> find_culprit(const ProgressBoard& board, const WatchedMoment& moment);

/// What a plan's board says from the begin.
BoardInfo board_info(const TrainingPlan& plan, double watchdog_seconds);

struct WatchdogSetup {
  std::shared_ptr<ProgressBoard> board;
  /// Whose process this is; -1: all ranks are threads of this one.
  int own_rank = -1;
  /// Ends the process at once. Called when the run has failed and the process is still there a few
  /// seconds later; empty: never.
  std::function<void()> end_process = {};
};

class Watchdog {
 public:
  using Hook = std::function<void(const std::string& cause)>;

  explicit Watchdog(WatchdogSetup setup);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Called once, from the watch's thread, with the run's first cause; an empty one ends the calls:
  /// none goes on after this has returned. A failed process without a hook is ended at once.
  void on_cause(Hook hook);

 private:
  void run();
  void look();
  std::string find();
  bool launcher_is_gone() const;

  WatchdogSetup setup_;
  int launcher_;
  std::int64_t failed_since_ns_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  Hook hook_;
  std::string told_cause_;  // what was found; the hook has it if there is one
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace stagecraft
