#include "stages/explain/explain.h"

#include <algorithm>

#include "stages/explain/wait_index.h"

namespace stagecraft {
namespace {

bool communicates(Op op) {
  return traits(op).kind == OpKind::transfer || traits(op).kind == OpKind::reduction;
}

/// Adds up one rank's step.
class RankExplainer {
 public:
  RankExplainer(const WaitIndex& waits, int number, double duration)
      : waits_(waits), number_(number), rank_(waits.rank(number)), duration_(duration) {}

  RankTimes explain() {
    add_gap({0, rank_.begin, IdleCause::driver, rank_.actions.front().instruction});
    now_ = rank_.begin;
    for (const std::size_t action : waits_.order(number_)) {
      add_action(action);
    }
    add_collectives();
    const int last = waits_.last_to_end();
    add_gap({now_, duration_, IdleCause::finished, rank_.actions.back().instruction, last,
             waits_.rank(last).actions.back().instruction});
    std::stable_sort(times_.gaps.begin(), times_.gaps.end(),
                     [](const Gap& a, const Gap& b) { return a.begin < b.begin; });
    return std::move(times_);
  }

 private:
  void add_gap(const Gap& gap) {
    if (gap.end > gap.begin) {
      times_.idle += gap.end - gap.begin;
      times_.gaps.push_back(gap);
    }
  }

  void add_action(std::size_t number) {
    const Action& action = rank_.actions[number];
    if (action.instruction.op == Op::optimizer) {
      add_gap(
          {now_, rank_.norm_begin - rank_.reduction_wait, IdleCause::overhead, action.instruction});
      times_.communication += rank_.reduction_wait;
      times_.compute += rank_.norm_end - rank_.norm_begin;
      now_ = std::max(now_, rank_.norm_end);
    }
    if (action.begin > now_) {
      add_wait({number_, number});
    }
    (communicates(action.instruction.op) ? times_.communication : times_.compute) +=
        action.end - action.begin;
    now_ = std::max(now_, action.end);
  }

  /// Adds the time before an action fired, in which its rank did nothing.
  void add_wait(const ActionRef& ref) {
    const Action& action = waits_.at(ref);
    const WaitTarget due = waits_.awaited(ref);
    const double until = std::clamp(due.until, now_, action.begin);
    if (until > now_) {
      add_gap({now_, until, due.cause, action.instruction, due.ref.rank, waits_.named(due)});
    }
    if (due.travels) {
      times_.communication += action.begin - until;
    } else {
      const bool update = action.instruction.op == Op::optimizer;
      add_gap({until, action.begin, update ? IdleCause::driver : IdleCause::overhead,
               action.instruction});
    }
  }

  /// Counts collectives as communication and waits in them as gaps. Their time was counted as
  /// compute, or, within T and D, as communication.
  void add_collectives() {
    for (const CollectiveTime& c : rank_.collectives) {
      const Instruction& within = rank_.actions[c.action].instruction;
      (communicates(within.op) ? times_.communication : times_.compute) -= c.end - c.begin;
      times_.communication += c.end - c.together;
      add_gap({c.begin, c.together, IdleCause::collective, within, c.last_rank, within});
    }
  }

  const WaitIndex& waits_;
  int number_;
  const RankTimeline& rank_;
  double duration_;
  double now_ = 0;
  RankTimes times_;
};

}  // namespace

Explanation explain_step(const Program& program, const MeshShape& mesh, const StepTimeline& step,
                         int slots) {
  const WaitIndex waits(program, mesh, step, slots);
  Explanation explanation;
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    explanation.ranks.push_back(
        RankExplainer(waits, static_cast<int>(rank), step.duration).explain());
  }
  explanation.path = critical_path(waits, step.duration);
  return explanation;
}

}  // namespace stagecraft
