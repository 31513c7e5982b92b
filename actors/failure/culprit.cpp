#include "actors/failure/culprit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <vector>

namespace stagecraft {
namespace {

/// One snapshot of the whole board.
class BoardSnapshot {
 public:
  BoardSnapshot(const ProgressBoard& board, const WatchedMoment& moment)
      : board_(board), moment_(moment), driver_(board.driver().view()) {
    for (int rank = 0; rank < board.ranks(); ++rank) {
      views_.push_back(board.slot(rank).view());
    }
  }

  std::optional<Finding> culprit() const {
    for (const auto rule : {&BoardSnapshot::is_gone, &BoardSnapshot::is_frozen,
                            &BoardSnapshot::is_missing, &BoardSnapshot::is_stuck}) {
      for (int rank = 0; rank < board_.ranks(); ++rank) {
        const std::string what = (this->*rule)(rank);
        if (!what.empty()) {
          return Finding{rank, rank_text(board_.info().mesh, rank) + ", " + what};
        }
      }
    }
    const std::string driver = driver_is_stuck();
    return driver.empty() ? all_wait() : Finding{0, driver};
  }

 private:
  const ProgressSlot::View& view(int rank) const { return views_[static_cast<std::size_t>(rank)]; }

  bool is_here(const ProgressSlot& slot) const { return slot.host() == moment_.reader.host; }

  double watched(std::int64_t ns) const {
    return static_cast<double>(std::min(ns, moment_.now_ns - moment_.watching_since_ns)) * 1e-9;
  }

  /// Watched seconds from a time in a row until now. Steady clocks compare within one host, wall
  /// clocks across hosts.
  double age(const ProgressSlot& slot, std::int64_t row_ns) const {
    return watched(is_here(slot) ? moment_.now_ns - row_ns
                                 : moment_.reader.wall_ns - slot.wall_ns(row_ns));
  }
  double age(int rank, std::int64_t row_ns) const { return age(board_.slot(rank), row_ns); }
  double driver_age() const { return age(board_.driver(), driver_.since_ns); }

  bool over(double seconds) const { return seconds > board_.info().watchdog_seconds; }

  static bool is_running(const ProgressSlot::View& row) {
    return row.process != 0 && row.activity != Activity::ended &&
           row.activity != Activity::failed && row.activity != Activity::dismissed;
  }
  bool is_running(int rank) const { return is_running(view(rank)); }

  /// The process may have ended as it should after the snapshot, so its row is read again.
  std::string is_gone(int rank) const {
    if (!moment_.processes || !is_running(rank) || !is_here(board_.slot(rank)) ||
        moment_.reader.alive(view(rank).process) || !is_running(board_.slot(rank).view())) {
      return "";
    }
    return fmt::format("{}: its process {} is gone without having ended (killed, or crashed)",
                       location_text(view(rank)), view(rank).process);
  }

  std::string is_frozen(int rank) const {
    const ProgressSlot::View& row = view(rank);
    if (!moment_.processes || !is_running(rank) || row.heartbeat_ns == 0) {
      return "";
    }
    const double silent = age(rank, row.heartbeat_ns);
    return over(silent) ? fmt::format(
                              "{}: its process {} on {} has sent no heartbeat for "
                              "{:.1f} s (run.watchdog_seconds = {}); is it stopped?",
                              location_text(row), row.process, board_.slot(rank).host(), silent,
                              board_.info().watchdog_seconds)
                        : "";
  }

  std::string is_missing(int rank) const {
    const double waited = watched(moment_.reader.wall_ns - board_.created_wall_ns());
    return moment_.processes && view(rank).process == 0 && over(waited)
               ? fmt::format("has not started within {:.1f} s (run.watchdog_seconds = {})", waited,
                             board_.info().watchdog_seconds)
               : "";
  }

  /// The process has missed many heartbeats, and is_frozen() holds if it misses some more. Until
  /// then it is too early to report its rank as stuck or all ranks as deadlocked.
  bool may_be_frozen(int rank) const {
    const ProgressSlot::View& row = view(rank);
    return moment_.processes && is_running(rank) && row.heartbeat_ns != 0 &&
           over(2 * age(rank, row.heartbeat_ns));
  }

  std::string is_stuck(int rank) const {
    const ProgressSlot::View& row = view(rank);
    if (row.process == 0 || !(works(row.activity) || is_behind(row)) || may_be_frozen(rank)) {
      return "";
    }
    const double stuck = age(rank, row.since_ns);
    return over(stuck)
               ? fmt::format("{}: has not returned for {:.1f} s (run.watchdog_seconds = {})",
                             location_text(row), stuck, board_.info().watchdog_seconds)
               : "";
  }

  /// All ranks pass these phases together. 0: the rank has not begun to end.
  static int phase_of_end(Activity activity) {
    constexpr std::array kPhases = {Activity::parting, Activity::closing, Activity::ended};
    const auto* const found = std::ranges::find(kPhases, activity);
    return found == kPhases.end() ? 0 : static_cast<int>(found - kPhases.begin()) + 1;
  }

  /// Whether another rank has been in a later phase of the end for too long, so that all were ready
  /// for it.
  bool is_behind(const ProgressSlot::View& row) const {
    const int phase = phase_of_end(row.activity);
    const auto is_ahead = [&](int rank) {
      return phase_of_end(view(rank).activity) > phase && over(age(rank, view(rank).since_ns));
    };
    return phase > 0 && std::ranges::any_of(std::views::iota(0, board_.ranks()), is_ahead);
  }

  /// "" before the driver has begun.
  std::string driver_is_stuck() const {
    const ProgressSlot::View& row = driver_;
    if (row.process == 0 || !driver_works(row.activity) || may_be_frozen(0)) {
      return "";
    }
    const double stuck = driver_age();
    return over(stuck)
               ? fmt::format("{}: has not returned for {:.1f} s (run.watchdog_seconds = {})",
                             driver_text(row), stuck, board_.info().watchdog_seconds)
               : "";
  }

  bool driver_waits_too_long() const {
    const bool waits =
        driver_.activity == Activity::waiting || driver_.activity == Activity::starting;
    return driver_.process != 0 && waits && over(driver_age());
  }

  bool waits_too_long(int rank) const {
    const Activity activity = view(rank).activity;
    return (waits_for_others(activity) || activity == Activity::idle) &&
           over(age(rank, view(rank).since_ns));
  }

  /// Waiting for the driver's decision is not a deadlock while the driver works.
  bool waits_for_a_stage(int rank) const {
    const Activity activity = view(rank).activity;
    return waits_in_program(activity) ? view(rank).instruction.op != Op::optimizer
                                      : waits_for_others(activity);
  }

  std::optional<Finding> all_wait() const {
    bool all = true;
    bool any = driver_waits_too_long();
    for (int rank = 0; rank < board_.ranks(); ++rank) {
      all = all && waits_too_long(rank) && !may_be_frozen(rank);
      any = any || waits_for_a_stage(rank);
    }
    if (!all || !any) {
      return {};
    }
    return Finding{-1, fmt::format("no rank has made progress for {} s (run.watchdog_seconds): {}",
                                   board_.info().watchdog_seconds, all_locations())};
  }

  /// "stage 0, rank 0, step 3, instruction 0RG1: waits for the gradient of micro-batch 1 from stage
  /// 1; ..."
  std::string all_locations() const {
    std::vector<std::string> texts;
    for (int rank = 0; rank < board_.ranks(); ++rank) {
      const std::string where =
          rank_text(board_.info().mesh, rank) + ", " + location_text(view(rank));
      texts.push_back(
          waits_in_program(view(rank).activity)
              ? fmt::format("{}: waits for {}", where,
                            awaited(view(rank).instruction, board_.info().stage_of_chunk))
              : where);
    }
    if (driver_.process != 0) {
      texts.push_back(driver_text(driver_));
    }
    return fmt::format("{}", fmt::join(texts, "; "));
  }

  const ProgressBoard& board_;
  const WatchedMoment& moment_;
  std::vector<ProgressSlot::View> views_;
  ProgressSlot::View driver_;
};

}  // namespace

std::optional<Finding> find_culprit(const ProgressBoard& board, const WatchedMoment& moment) {
  return BoardSnapshot(board, moment).culprit();
}

}  // namespace stagecraft
