// Who keeps a run from going on, as the progress board shows it at one moment.
#pragma once

#include <optional>
#include <string>

#include "actors/failure/board_snapshot.h"

namespace stagecraft {

/// The rank that caused a failure, and the message.
struct Finding {
  int rank = -1;  // -1: no single rank
  std::string text;
};

/// Empty while no failure is found. Otherwise the first of these that holds:
/// - a process is gone without having ended;
/// - a process has written no heartbeat for the board's watchdog_seconds;
/// - a process has not started within that time;
/// - a working rank, or the driver, has made no progress for that time;
/// - a rank is still in a phase of the end that another has passed for that time;
/// - MPI has not told this host of all others within twice that time; their own watchdogs know
///   better who has not started;
/// - all ranks and the driver have waited for each other for that time; while hosts connect, all
///   ranks of this host for ten times as long.
/// Of another host's rank nothing is concluded before its first heartbeat has come.
std::optional<Finding> find_culprit(const ProgressBoard& board, const WatchedMoment& moment);

}  // namespace stagecraft
