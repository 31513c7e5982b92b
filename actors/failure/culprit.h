// Who keeps a run from going on, as the progress board shows it at one moment.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "stages/board/board_report.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// The rank that caused a failure, and the message.
struct Finding {
  int rank = -1;  // -1: no single rank
  std::string text;
};

/// What a watchdog knows besides the board. All clocks were read at the same moment.
struct WatchedMoment {
  std::int64_t now_ns = 0;  // steady clock
  BoardReader reader;       // host, wall clock, who is alive
  /// Ranks are processes, which may die or fail to start.
  bool processes = false;
  /// Of several hosts: how many ranks this one has. 0: all.
  int ranks_here = 0;
  /// Since when the watchdog has run without a pause, on the steady clock. It counts no time from
  /// before that: what it did not watch may have been suspended with it.
  std::int64_t watching_since_ns = std::numeric_limits<std::int64_t>::min() / 2;
};

/// Empty while no failure is found. Otherwise the first of these that holds:
/// - a process is gone without having ended;
/// - a process has written no heartbeat for the board's watchdog_seconds;
/// - a process has not started within that time, or nothing was heard from other hosts for twice
///   as long, since their own watchdogs know better;
/// - a working rank, or the driver, has made no progress for that time;
/// - a rank is still in a phase of the end that another has passed for that time;
/// - all ranks and the driver have waited for each other for that time.
/// A rank of another host is seen as of its last heartbeat. One that gives none yet is not blamed.
std::optional<Finding> find_culprit(const ProgressBoard& board, const WatchedMoment& moment);

}  // namespace stagecraft
