#include "stages/explain/critical_path.h"

#include <algorithm>

namespace stagecraft {
namespace {

class PathFinder {
 public:
  PathFinder(const WaitIndex& waits, double duration) : waits_(waits), now_(duration) {}

  std::vector<PathPiece> find() {
    const int last = waits_.last_to_end();
    std::optional<ActionRef> here = ActionRef{last, waits_.rank(last).actions.size() - 1};
    while (here && now_ > 0) {
      here = step_back(*here);
    }
    std::reverse(path_.begin(), path_.end());
    return std::move(path_);
  }

 private:
  using Kind = PathPiece::Kind;

  /// Adds the piece from `begin` to now_ and moves now_ back to `begin`.
  void add(Kind kind, const ActionRef& ref, double begin) {
    if (begin < now_) {
      path_.push_back({kind, ref.rank, waits_.at(ref).instruction, begin, now_});
      now_ = begin;
    }
  }

  /// Adds `here` and the time between it and the action that it waited for; returns that action.
  std::optional<ActionRef> step_back(const ActionRef& here) {
    const Action& action = waits_.at(here);
    const WaitTarget due = waits_.awaited(here);
    const bool tied = action.instruction.op == Op::reduce_tied;
    const bool waited = due.until > waits_.before(here).end;
    // T may have fired before the other stage reached it.
    add(Kind::instruction, here, tied && waited ? std::max(action.begin, due.until) : action.begin);
    if (!waited || due.until > now_) {
      return before(here, action.instruction.op == Op::optimizer ? Kind::driver : Kind::overhead);
    }
    add(due.travels ? Kind::transfer : Kind::driver, here, due.until);
    return meets_stages(action.instruction.op) ? before(due.ref, Kind::overhead) : due.ref;
  }

  /// Returns the action before `here` on its rank; adds the time between them as `kind`.
  std::optional<ActionRef> before(const ActionRef& here, Kind kind) {
    const Predecessor& before = waits_.before(here);
    if (waits_.at(here).instruction.op == Op::optimizer) {
      add(kind, here, waits_.rank(here.rank).norm_end);
      add(Kind::instruction, here, waits_.rank(here.rank).norm_begin);
      if (waits_.rank(here.rank).reduction_wait > 0) {
        add(Kind::instruction, last_reduction(here.rank),
            waits_.rank(here.rank).norm_begin - waits_.rank(here.rank).reduction_wait);
      }
      kind = Kind::overhead;
    }
    add(before.action ? kind : Kind::driver, here, before.action ? before.end : 0);
    return before.action ? std::optional(ActionRef{here.rank, *before.action}) : std::nullopt;
  }

  ActionRef last_reduction(int rank) const {
    const std::vector<Action>& actions = waits_.rank(rank).actions;
    const auto last = std::find_if(actions.rbegin(), actions.rend(), [](const Action& action) {
      return traits(action.instruction.op).group == OpGroup::data;
    });
    return {rank, static_cast<std::size_t>(actions.rend() - last) - 1};
  }

  const WaitIndex& waits_;
  double now_;
  std::vector<PathPiece> path_;
};

}  // namespace

std::vector<PathPiece> critical_path(const WaitIndex& waits, double duration) {
  return PathFinder(waits, duration).find();
}

}  // namespace stagecraft
