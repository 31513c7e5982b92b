// A progress board at one moment, as a watchdog of one host sees it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "stages/board/board_report.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

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

/// All times are watched seconds. A rank of another host is seen as of its last heartbeat.
class BoardSnapshot {
 public:
  BoardSnapshot(const ProgressBoard& board, const WatchedMoment& moment);

  const ProgressBoard& board() const { return board_; }
  const WatchedMoment& moment() const { return moment_; }
  int ranks() const { return board_.ranks(); }
  const ProgressSlot::View& view(int rank) const { return views_[static_cast<std::size_t>(rank)]; }
  const ProgressSlot::View& driver() const { return driver_; }

  double limit() const { return board_.info().watchdog_seconds; }
  bool over(double seconds) const { return seconds > limit(); }
  /// From a time in a row until now.
  double age(std::int64_t row_ns) const { return watched(moment_.now_ns - row_ns); }
  /// For how long a row has not changed: until now, or until the last heartbeat from another host,
  /// since what was not heard may have changed it.
  double unchanged(int rank) const;
  /// How long the board has existed.
  double existed() const { return watched(moment_.reader.wall_ns - board_.created_wall_ns()); }

  bool several_hosts() const;
  bool is_here(int rank) const { return board_.slot(rank).host() == moment_.reader.host; }
  bool is_running(int rank) const;
  /// Whether the operating system no longer knows the process of a rank of this host.
  bool is_gone(int rank) const;
  /// On another host, from which no control message has come yet, or comes any more.
  bool is_unheard(int rank) const;
  /// The process has missed many heartbeats, and counts as frozen if it misses some more. Until
  /// then it is too early to report its rank as stuck or all ranks as deadlocked.
  bool may_be_frozen(int rank) const;

 private:
  double watched(std::int64_t ns) const;

  const ProgressBoard& board_;
  const WatchedMoment& moment_;
  std::vector<ProgressSlot::View> views_;
  ProgressSlot::View driver_;
};

}  // namespace stagecraft
