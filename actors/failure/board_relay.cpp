#include "actors/failure/board_relay.h"

#include <algorithm>
#include <set>
#include <utility>

namespace stagecraft {

BoardRelay::BoardRelay(std::shared_ptr<ProgressBoard> board, std::string host)
    : board_(std::move(board)), host_(std::move(host)) {}

/// Eight times within the watchdog's limit, and at least once a second.
std::chrono::milliseconds BoardRelay::period() const {
  return std::chrono::milliseconds(std::max<std::int64_t>(
      10, static_cast<std::int64_t>(std::min(1000.0, 125 * board_->info().watchdog_seconds))));
}

bool BoardRelay::is_here(int rank) const {
  return std::as_const(*board_).slot(rank).host() == host_;
}

BoardRows BoardRelay::own(std::int64_t now_ns) const {
  BoardRows rows{.rows = {},
                 .stop_requested = board_->stop_requested(),
                 .save_requested = board_->take_save_request()};
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    if (is_here(rank)) {
      rows.rows.push_back({rank, board_->slot(rank).copy(now_ns)});
    }
  }
  return rows;
}

BoardRows BoardRelay::others(const BoardRows& rows, std::int64_t now_ns) const {
  std::set<int> known;
  for (const WireRow& row : rows.rows) {
    known.insert(row.rank);
  }
  BoardRows others;
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    if (!known.contains(rank)) {
      others.rows.push_back({rank, board_->slot(rank).copy(now_ns)});
    }
  }
  return others;
}

void BoardRelay::take(const BoardRows& rows, std::int64_t now_ns) const {
  for (const WireRow& row : rows.rows) {
    if (row.rank >= 0 && row.rank < board_->ranks() && !is_here(row.rank)) {
      board_->slot(row.rank).take(row.row, now_ns);
    }
  }
  if (rows.stop_requested) {
    board_->request_stop();
  }
  if (rows.save_requested) {
    board_->request_save();
  }
}

void BoardRelay::end() const {
  for (int rank = 0; rank < board_->ranks(); ++rank) {
    if (!is_here(rank)) {
      board_->slot(rank).set(Activity::parting);
      board_->slot(rank).stop_beating();
    }
  }
}

}  // namespace stagecraft
