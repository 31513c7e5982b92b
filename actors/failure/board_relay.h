// How the progress boards of a run's hosts keep up with each other. The failure monitor of each
// host's first rank sends that host's rows to rank 0's, which answers with the rows of all others
// (failure_monitor.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "actors/protocol/messages.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// One host's end. All times are of this host's steady clock, so that no clock of another host
/// counts: an age becomes a time when it is received.
class BoardRelay {
 public:
  /// On `board` every rank of another host has a row with that host's name.
  BoardRelay(std::shared_ptr<ProgressBoard> board, std::string host);

  /// The time from an answer to the next rows.
  std::chrono::milliseconds period() const;
  /// The rows of this host's ranks, and what they were asked for. A request for a checkpoint leaves
  /// the board with them.
  BoardRows own(std::int64_t now_ns) const;
  /// The rows of all ranks that `rows` has none of.
  BoardRows others(const BoardRows& rows, std::int64_t now_ns) const;
  /// Puts rows of other hosts on the board; skips those of this host.
  void take(const BoardRows& rows, std::int64_t now_ns) const;
  /// Every rank has ended its part of the run, and no more rows come: nobody may be blamed for the
  /// heartbeats that are missing from now on.
  void end() const;

 private:
  bool is_here(int rank) const;

  std::shared_ptr<ProgressBoard> board_;
  std::string host_;
};

}  // namespace stagecraft
