#include "actors/failure/culprit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <vector>

namespace stagecraft {
namespace {

/// The rules of find_culprit(). A text is empty where the rule does not hold.
class Search {
 public:
  explicit Search(const BoardSnapshot& at) : at_(at) {}

  std::optional<Finding> culprit() const {
    for (const auto rule :
         {&Search::is_gone, &Search::is_frozen, &Search::is_missing, &Search::is_stuck}) {
      if (auto finding = first_rank(rule)) {
        return finding;
      }
    }
    const std::string driver = driver_is_stuck();
    if (!driver.empty()) {
      return Finding{0, driver};
    }
    for (const auto rule :
         {&Search::ranks_here_are_missing, &Search::hosts_are_missing, &Search::all_wait}) {
      const std::string what = (this->*rule)();
      if (!what.empty()) {
        return Finding{-1, what};
      }
    }
    return {};
  }

 private:
  /// Ranks of this host come first: what holds for one of them is seen here. Where such a rank
  /// keeps up with the other hosts, nothing is heard of those either.
  std::optional<Finding> first_rank(std::string (Search::*rule)(int) const) const {
    for (const bool here : {true, false}) {
      for (const int rank : all_ranks()) {
        const std::string what = at_.is_here(rank) == here ? (this->*rule)(rank) : "";
        if (!what.empty()) {
          return Finding{rank, rank_text(at_.board().info().mesh, rank) + ", " + what};
        }
      }
    }
    return {};
  }

  std::ranges::iota_view<int, int> all_ranks() const { return std::views::iota(0, at_.ranks()); }

  std::string is_gone(int rank) const {
    const ProgressSlot::View& row = at_.view(rank);
    return at_.is_gone(rank)
               ? fmt::format("{}: its process {} is gone without having ended (killed, or crashed)",
                             location_text(row), row.process)
               : "";
  }

  std::string is_frozen(int rank) const {
    const ProgressSlot::View& row = at_.view(rank);
    if (!at_.moment().processes || !at_.is_running(rank) || row.heartbeat_ns == 0) {
      return "";
    }
    const double silent = at_.age(row.heartbeat_ns);
    return at_.over(silent)
               ? fmt::format(
                     "{}: its process {} on {} has sent no heartbeat for {:.1f} s "
                     "(run.watchdog_seconds = {}); is it stopped{}?",
                     location_text(row), row.process, at_.board().slot(rank).host(), silent,
                     at_.limit(), at_.is_here(rank) ? "" : ", or its host cut off")
               : "";
  }

  std::string is_missing(int rank) const {
    return at_.moment().processes && !at_.several_hosts() && at_.view(rank).process == 0 &&
                   at_.over(at_.existed())
               ? fmt::format("has not started within {:.1f} s (run.watchdog_seconds = {})",
                             at_.existed(), at_.limit())
               : "";
  }

  std::string is_stuck(int rank) const {
    const ProgressSlot::View& row = at_.view(rank);
    if (row.process == 0 || at_.is_unheard(rank) || !(works(row.activity) || is_behind(row)) ||
        at_.may_be_frozen(rank)) {
      return "";
    }
    const double stuck = at_.unchanged(rank);
    return at_.over(stuck) ? not_returned(location_text(row), stuck) : "";
  }

  std::string not_returned(const std::string& where, double seconds) const {
    return fmt::format("{}: has not returned for {:.1f} s (run.watchdog_seconds = {})", where,
                       seconds, at_.limit());
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
      return phase_of_end(at_.view(rank).activity) > phase && at_.over(at_.unchanged(rank));
    };
    return phase > 0 && std::ranges::any_of(all_ranks(), is_ahead);
  }

  /// "" before the driver has begun.
  std::string driver_is_stuck() const {
    const ProgressSlot::View& row = at_.driver();
    if (row.process == 0 || !driver_works(row.activity) || at_.may_be_frozen(0)) {
      return "";
    }
    const double stuck = at_.age(row.since_ns);
    return at_.over(stuck) ? not_returned(driver_text(row), stuck) : "";
  }

  /// Until MPI has started on all hosts, nobody knows which ranks are on which host.
  std::string ranks_here_are_missing() const {
    const auto here = std::ranges::count_if(
        all_ranks(), [&](int rank) { return at_.view(rank).process != 0 && at_.is_here(rank); });
    const int expected = at_.moment().ranks_here;
    return at_.several_hosts() && here < expected && at_.over(at_.existed())
               ? fmt::format(
                     "{} of the {} ranks on {} have not started within {:.1f} s "
                     "(run.watchdog_seconds = {})",
                     expected - here, expected, at_.moment().reader.host, at_.existed(),
                     at_.limit())
               : "";
  }

  std::string hosts_are_missing() const {
    const auto unknown =
        std::ranges::count_if(all_ranks(), [&](int rank) { return at_.view(rank).process == 0; });
    return at_.several_hosts() && unknown > 0 && at_.over(at_.existed() / 2)
               ? fmt::format(
                     "MPI on {} has heard nothing of {} ranks of other hosts within {:.1f} s "
                     "(twice run.watchdog_seconds = {}); can the hosts reach each other?",
                     at_.moment().reader.host, unknown, at_.existed(), at_.limit())
               : "";
  }

  bool driver_waits_too_long() const {
    const ProgressSlot::View& row = at_.driver();
    const bool waits = row.activity == Activity::waiting || row.activity == Activity::starting;
    return row.process != 0 && waits && at_.over(at_.age(row.since_ns));
  }

  bool waits_too_long(int rank, int patience) const {
    const Activity activity = at_.view(rank).activity;
    return (waits_for_others(activity) || activity == Activity::idle) &&
           at_.over(at_.unchanged(rank) / patience);
  }

  /// Waiting for the driver's decision is not a deadlock while the driver works.
  bool waits_for_a_stage(int rank) const {
    const ProgressSlot::View& row = at_.view(rank);
    return waits_in_program(row.activity) ? row.instruction.op != Op::optimizer
                                          : waits_for_others(row.activity);
  }

  /// Before all hosts have connected, a rank of another one may be at work without being heard.
  bool may_work_unheard(int rank) const {
    return at_.is_unheard(rank) && at_.view(rank).activity == Activity::starting;
  }

  /// What another host does unheard, such as reading a model, may take longer than on this one; but
  /// not for ever.
  std::string all_wait() const {
    const auto unheard = [&](int rank) { return may_work_unheard(rank); };
    const bool connecting = std::ranges::any_of(all_ranks(), unheard);
    const int patience = connecting ? 10 : 1;
    bool all = true;
    bool any = driver_waits_too_long();
    for (const int rank : all_ranks()) {
      all = all && (unheard(rank) || (waits_too_long(rank, patience) && !at_.may_be_frozen(rank)));
      any = any || waits_for_a_stage(rank);
    }
    return all && any
               ? fmt::format("no rank{} has made progress for {} s ({}run.watchdog_seconds): {}",
                             connecting ? " of this host" : "", patience * at_.limit(),
                             connecting ? "ten times " : "", all_locations())
               : "";
  }

  /// "stage 0, rank 0, step 3, instruction 0RG1: waits for the gradient of micro-batch 1 from stage
  /// 1; ..."
  std::string all_locations() const {
    const BoardInfo& info = at_.board().info();
    std::vector<std::string> texts;
    for (const int rank : all_ranks()) {
      const ProgressSlot::View& row = at_.view(rank);
      const std::string where = rank_text(info.mesh, rank) + ", " + location_text(row);
      texts.push_back(waits_in_program(row.activity)
                          ? fmt::format("{}: waits for {}", where,
                                        awaited(row.instruction, info.stage_of_chunk))
                          : where);
    }
    if (at_.driver().process != 0) {
      texts.push_back(driver_text(at_.driver()));
    }
    return fmt::format("{}", fmt::join(texts, "; "));
  }

  const BoardSnapshot& at_;
};

}  // namespace

std::optional<Finding> find_culprit(const ProgressBoard& board, const WatchedMoment& moment) {
  const BoardSnapshot snapshot(board, moment);
  return Search(snapshot).culprit();
}

}  // namespace stagecraft
