// A progress board as text for people: `stagecraft status RUN`, and the launcher's last words.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "stages/board/progress_board.h"

namespace stagecraft {

/// Who looks at a board, and when.
struct BoardReader {
  std::string host;
  std::int64_t wall_ns = 0;
  std::function<bool(int process)> alive;  // asked only for processes of `host`
};

/// This host, now, and the system's word on a process.
BoardReader board_reader();

/// The first cause, if any, then a row per rank: where it is, for how long, and for what it waits.
/// When every process that `reader` can ask is dead, times end at the last sign of life.
std::string board_report(const ProgressBoard& board, const BoardReader& reader);

/// Whether a process of the run that `reader` can ask is alive.
bool anybody_lives(const ProgressBoard& board, const BoardReader& reader);

/// Every rank has come to its end, and nobody named a cause of failure.
bool ended_well(const ProgressBoard& board);

}  // namespace stagecraft
