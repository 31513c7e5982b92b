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
      if (auto finding = first_rank(rule)) {
        return finding;
      }
    }
    const std::string driver = driver_is_stuck();
    if (!driver.empty()) {
      return Finding{0, driver};
    }
    auto hosts = hosts_do_not_meet();
    return hosts ? hosts : all_wait();
  }

 private:
  std::optional<Finding> first_rank(std::string (BoardSnapshot::*rule)(int) const) const {
    for (int rank = 0; rank < board_.ranks(); ++rank) {
      const std::string what = (this->*rule)(rank);
      if (!what.empty()) {
        return Finding{rank, rank_text(board_.info().mesh, rank) + ", " + what};
      }
    }
    return {};
  }

  const ProgressSlot::View& view(int rank) const { return views_[static_cast<std::size_t>(rank)]; }

  bool is_here(const ProgressSlot& slot) const { return slot.host() == moment_.reader.host; }

  double watched(std::int64_t ns) const {
    return static_cast<double>(std::min(ns, moment_.now_ns - moment_.watching_since_ns)) * 1e-9;
  }

  /// Watched seconds from a time in a row until now.
  double age(std::int64_t row_ns) const { return watched(moment_.now_ns - row_ns); }
  /// For how long a row has not changed, in watched seconds: until now, or until the last heartbeat
  /// from another host, since what was not heard may have changed it.
  double unchanged(int rank) const {
    const ProgressSlot::View& row = view(rank);
    const bool heard = !is_here(board_.slot(rank)) && row.heartbeat_ns != 0;
    return watched((heard ? row.heartbeat_ns : moment_.now_ns) - row.since_ns);
  }
  double driver_age() const { return age(driver_.since_ns); }

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
    const double silent = age(row.heartbeat_ns);
    const ProgressSlot& slot = board_.slot(rank);
    return over(silent)
               ? fmt::format(
                     "{}: its process {} on {} has sent no heartbeat for {:.1f} s "
                     "(run.watchdog_seconds = {}); is it stopped{}?",
                     location_text(row), row.process, slot.host(), silent,
                     board_.info().watchdog_seconds, is_here(slot) ? "" : ", or its host cut off")
               : "";
  }

  /// How long the board has existed.
  double waited() const { return watched(moment_.reader.wall_ns - board_.created_wall_ns()); }

  std::string is_missing(int rank) const {
    const double waited = this->waited();
    return moment_.processes && !several_hosts() && view(rank).process == 0 && over(waited)
               ? fmt::format("has not started within {:.1f} s (run.watchdog_seconds = {})", waited,
                             board_.info().watchdog_seconds)
               : "";
  }

  bool several_hosts() const {
    return moment_.ranks_here != 0 && moment_.ranks_here != board_.ranks();
  }

  /// Until MPI has started on all hosts, nobody knows which ranks are on which host.
  std::optional<Finding> hosts_do_not_meet() const {
    if (!several_hosts()) {
      return {};
    }
    std::int64_t here = 0;
    std::int64_t entered = 0;
    for (int rank = 0; rank < board_.ranks(); ++rank) {
      entered += view(rank).process != 0 ? 1 : 0;
      here += view(rank).process != 0 && is_here(board_.slot(rank)) ? 1 : 0;
    }
    if (here < moment_.ranks_here && over(waited())) {
      return Finding{-1,
                     fmt::format("{} of the {} ranks on {} have not started within {:.1f} s "
                                 "(run.watchdog_seconds = {})",
                                 moment_.ranks_here - here, moment_.ranks_here, moment_.reader.host,
                                 waited(), board_.info().watchdog_seconds)};
    }
    if (entered < board_.ranks() && over(waited() / 2)) {
      return Finding{-1,
                     fmt::format("MPI on {} has heard nothing of {} ranks of other hosts within "
                                 "{:.1f} s (twice run.watchdog_seconds = {}); can the hosts "
                                 "reach each other?",
                                 moment_.reader.host, board_.ranks() - entered, waited(),
                                 board_.info().watchdog_seconds)};
    }
    return {};
  }

  /// On another host, from which no control message has come yet, or comes any more.
  bool is_unheard(int rank) const {
    return moment_.processes && !is_here(board_.slot(rank)) && view(rank).heartbeat_ns == 0;
  }

  /// The process has missed many heartbeats, and is_frozen() holds if it misses some more. Until
  /// then it is too early to report its rank as stuck or all ranks as deadlocked.
  bool may_be_frozen(int rank) const {
    const ProgressSlot::View& row = view(rank);
    return moment_.processes && is_running(rank) && row.heartbeat_ns != 0 &&
           over(2 * age(row.heartbeat_ns));
  }

  std::string is_stuck(int rank) const {
    const ProgressSlot::View& row = view(rank);
    if (row.process == 0 || is_unheard(rank) || !(works(row.activity) || is_behind(row)) ||
        may_be_frozen(rank)) {
      return "";
    }
    const double stuck = unchanged(rank);
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
      return phase_of_end(view(rank).activity) > phase && over(unchanged(rank));
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

  /// Whether ranks of other hosts may be working without being heard, before all have connected.
  bool hosts_connect() const {
    const auto connects = [&](int rank) {
      return is_unheard(rank) && view(rank).activity == Activity::starting;
    };
    return std::ranges::any_of(std::views::iota(0, board_.ranks()), connects);
  }

  bool driver_waits_too_long() const {
    const bool waits =
        driver_.activity == Activity::waiting || driver_.activity == Activity::starting;
    return driver_.process != 0 && waits && over(driver_age());
  }

  bool waits_too_long(int rank, double patience) const {
    const Activity activity = view(rank).activity;
    return (waits_for_others(activity) || activity == Activity::idle) &&
           over(unchanged(rank) / patience);
  }

  /// Waiting for the driver's decision is not a deadlock while the driver works.
  bool waits_for_a_stage(int rank) const {
    const Activity activity = view(rank).activity;
    return waits_in_program(activity) ? view(rank).instruction.op != Op::optimizer
                                      : waits_for_others(activity);
  }

  /// The ranks of other hosts that are not heard while all connect may be at work, such as reading
  /// a model, for longer than those here; but not for ever.
  std::optional<Finding> all_wait() const {
    const bool connecting = hosts_connect();
    const double patience = connecting ? 10 : 1;
    bool all = true;
    bool any = driver_waits_too_long();
    for (int rank = 0; rank < board_.ranks(); ++rank) {
      if (connecting && is_unheard(rank)) {
        continue;
      }
      all = all && waits_too_long(rank, patience) && !may_be_frozen(rank);
      any = any || waits_for_a_stage(rank);
    }
    if (!all || !any) {
      return {};
    }
    return Finding{
        -1,
        fmt::format("no rank{} has made progress for {} s ({}run.watchdog_seconds): {}",
                    connecting ? " of this host" : "", patience * board_.info().watchdog_seconds,
                    connecting ? "ten times " : "", all_locations())};
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
