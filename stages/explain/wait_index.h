// The wait index: what every action of a step waited for. explain and the critical path use it.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "stages/explain/idle_cause.h"
#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// One action of one rank.
struct ActionRef {
  int rank = 0;
  std::size_t action = 0;
};

/// What preceded an action on its rank.
struct Predecessor {
  std::optional<std::size_t> action = {};  // the one that ended last; none for the first action
  double end = 0;                          // its end; for the first action, when the step began
};

/// What an action waited for, apart from its own rank.
struct WaitTarget {
  static constexpr double kNever = -std::numeric_limits<double>::infinity();
  double until = kNever;                  // kNever: it waited for nothing
  IdleCause cause = IdleCause::overhead;  // of the wait
  ActionRef ref = {};                     // the transfer, T or U of another rank
  bool travels = false;                   // the time after `until` is communication
};

class WaitIndex {
 public:
  /// The arguments must outlive it. Throws Error for a rank without any action.
  WaitIndex(const Program& program, const MeshShape& mesh, const StepTimeline& step, int slots);

  const RankTimeline& rank(int rank) const { return step_.ranks[static_cast<std::size_t>(rank)]; }
  const Action& at(const ActionRef& ref) const { return rank(ref.rank).actions[ref.action]; }
  /// The rank's actions in the order in which they fired.
  const std::vector<std::size_t>& order(int rank) const {
    return order_[static_cast<std::size_t>(rank)];
  }
  const Predecessor& before(const ActionRef& ref) const {
    return before_[static_cast<std::size_t>(ref.rank)][ref.action];
  }
  WaitTarget awaited(const ActionRef& ref) const;
  /// The culprit's instruction to report: for a send, the compute that made its tensor; for T and
  /// U, the instruction before it.
  Instruction named(const WaitTarget& awaited) const;
  int last_to_come() const { return last_to_come_; }  // to the optimizer
  int last_to_end() const { return last_to_end_; }

 private:
  using Key = std::tuple<int, Op, int, int>;  // column, then the instruction

  Key key(int rank, const Instruction& instruction) const;
  std::optional<ActionRef> find(int rank, const Instruction& instruction) const;
  void index(int rank);
  void index_sends(int rank);
  void find_last();
  WaitTarget awaited_slot(const ActionRef& send) const;
  WaitTarget awaited_send(const ActionRef& receive) const;
  WaitTarget awaited_tied(const ActionRef& tied) const;
  std::optional<ActionRef> other_tied(const ActionRef& ref) const;

  const Program& program_;
  const MeshShape& mesh_;
  const StepTimeline& step_;
  std::size_t slots_;
  std::map<Key, ActionRef> where_;
  std::vector<std::vector<std::size_t>> order_;
  std::vector<std::vector<Predecessor>> before_;
  /// By rank and action: for a send, the earlier send that used its slot.
  std::vector<std::vector<std::optional<std::size_t>>> earlier_send_;
  int last_to_come_ = 0;
  int last_to_end_ = 0;
};

}  // namespace stagecraft
