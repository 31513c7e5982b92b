#include "actors/failure/board_snapshot.h"

#include <algorithm>

namespace stagecraft {
namespace {

bool runs(const ProgressSlot::View& row) {
  return row.process != 0 && row.activity != Activity::ended && row.activity != Activity::failed &&
         row.activity != Activity::dismissed;
}

}  // namespace

BoardSnapshot::BoardSnapshot(const ProgressBoard& board, const WatchedMoment& moment)
    : board_(board), moment_(moment), driver_(board.driver().view()) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    views_.push_back(board.slot(rank).view());
  }
}

double BoardSnapshot::watched(std::int64_t ns) const {
  return static_cast<double>(std::min(ns, moment_.now_ns - moment_.watching_since_ns)) * 1e-9;
}

double BoardSnapshot::unchanged(int rank) const {
  const ProgressSlot::View& row = view(rank);
  const bool heard = !is_here(rank) && row.heartbeat_ns != 0;
  return watched((heard ? row.heartbeat_ns : moment_.now_ns) - row.since_ns);
}

bool BoardSnapshot::several_hosts() const {
  return moment_.ranks_here != 0 && moment_.ranks_here != ranks();
}

bool BoardSnapshot::is_running(int rank) const { return runs(view(rank)); }

/// The process may have ended as it should after the snapshot, so its row is read again.
bool BoardSnapshot::is_gone(int rank) const {
  return moment_.processes && is_running(rank) && is_here(rank) &&
         !moment_.reader.alive(view(rank).process) && runs(board_.slot(rank).view());
}

bool BoardSnapshot::is_unheard(int rank) const {
  return moment_.processes && !is_here(rank) && view(rank).heartbeat_ns == 0;
}

bool BoardSnapshot::may_be_frozen(int rank) const {
  const ProgressSlot::View& row = view(rank);
  return moment_.processes && is_running(rank) && row.heartbeat_ns != 0 &&
         over(2 * age(row.heartbeat_ns));
}

}  // namespace stagecraft
