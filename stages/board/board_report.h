// A progress board as text: for `stagecraft status RUN`, and for the launcher when a run fails.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "stages/board/progress_board.h"

namespace stagecraft {

/// Where and when a board is read.
struct BoardReader {
  std::string host;
  std::int64_t wall_ns = 0;
  std::function<bool(int process)> alive;  // called only for processes on `host`
  /// What another host's board says, where the board itself has no cause.
  std::optional<Cause> cause_elsewhere = {};
};

/// This host, the current time, and a check with the operating system.
BoardReader board_reader();

/// The first cause, if any, then a row per rank and the driver's: where it is, for how long, and
/// what it waits for. If every process that `reader` can check is dead, durations end at the last
/// sign of life.
std::string board_report(const ProgressBoard& board, const BoardReader& reader);

/// Whether any process of the run that `reader` can check is alive.
bool anybody_lives(const ProgressBoard& board, const BoardReader& reader);

/// Whether every rank has ended and no cause of failure was recorded.
bool ended_well(const ProgressBoard& board);

}  // namespace stagecraft
