#include "stages/explain/step_timeline.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

namespace stagecraft {
namespace {

/// One rank's spans of one step.
struct StepSpans {
  const Span* whole = nullptr;
  const Span* norm = nullptr;
  const Span* reduction_wait = nullptr;
  std::map<std::string, const Span*> fired;  // by instruction text
  std::map<std::string, std::vector<const Span*>> collectives;
  std::map<std::string, std::vector<const Span*>> reductions;
};

/// Sorts a span that belongs to no instruction.
void add_outside(const Span& span, StepSpans& step) {
  if (span.lane == Lane::schedule) {
    step.whole = &span;
  } else if (span.lane == Lane::collectives) {
    step.reduction_wait = &span;
  } else {
    step.norm = &span;
  }
}

void add_inside(const Span& span, StepSpans& step) {
  if (span.lane == Lane::collectives) {
    step.collectives[span.instruction].push_back(&span);
  } else if (span.lane == Lane::reductions) {
    step.reductions[span.instruction].push_back(&span);
  } else if (span.lane != Lane::schedule) {
    step.fired[span.instruction] = &span;
  }
}

std::map<std::int64_t, StepSpans> by_step(const std::vector<Span>& spans) {
  std::map<std::int64_t, StepSpans> steps;
  for (const Span& span : spans) {
    StepSpans& step = steps[span.step];
    span.instruction.empty() ? add_outside(span, step) : add_inside(span, step);
  }
  return steps;
}

class StepReader {
 public:
  StepReader(const Program& program, const MeshShape& mesh, std::int64_t origin_ns)
      : program_(program), mesh_(mesh), origin_ns_(origin_ns) {}

  /// Reads a step; empty unless every rank has every instruction of it.
  std::optional<StepTimeline> read(std::int64_t number,
                                   const std::vector<const StepSpans*>& ranks) {
    StepTimeline step;
    step.step = number;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      if (ranks[rank] == nullptr || ranks[rank]->whole == nullptr ||
          !add_rank(*ranks[rank], static_cast<int>(rank), step)) {
        return {};
      }
    }
    for (RankTimeline& rank : step.ranks) {
      rendezvous(rank, step, &RankTimeline::collectives);
      rendezvous(rank, step, &RankTimeline::reductions);
    }
    begin_when_sent(step);
    from_its_begin(step);
    return step;
  }

 private:
  using Collectives = std::vector<CollectiveTime> RankTimeline::*;

  double ms(std::int64_t ns) const { return static_cast<double>(ns - origin_ns_) * 1e-6; }

  bool add_rank(const StepSpans& spans, int number, StepTimeline& step) const {
    RankTimeline rank;
    rank.coordinate = coordinate_of(mesh_, number);
    rank.begin = ms(spans.whole->begin_ns);
    double came = rank.begin;
    for (const TransferGroup& group :
         program_.stages[static_cast<std::size_t>(rank.coordinate.pipeline)]) {
      double end = came;
      for (const Instruction& i : group) {
        const auto fired = spans.fired.find(to_string(i));
        if (fired == spans.fired.end()) {
          return false;
        }
        add_collectives(spans.collectives, i, rank, rank.collectives);
        add_collectives(spans.reductions, i, rank, rank.reductions);
        rank.actions.push_back({i, came, ms(fired->second->begin_ns), ms(fired->second->end_ns)});
        end = std::max(end, rank.actions.back().end);
      }
      came = end;
    }
    report(spans, rank);
    step.ranks.push_back(std::move(rank));
    return true;
  }

  /// A rank has reached U when it has reported.
  void report(const StepSpans& spans, RankTimeline& rank) const {
    Action& update = rank.actions.back();
    const bool reports = update.instruction.op == Op::optimizer && spans.norm != nullptr;
    rank.norm_begin = reports ? ms(spans.norm->begin_ns) : update.came;
    rank.norm_end = reports ? ms(spans.norm->end_ns) : update.came;
    if (reports && spans.reduction_wait != nullptr) {
      rank.norm_begin = ms(spans.reduction_wait->end_ns);
      rank.reduction_wait = rank.norm_begin - ms(spans.reduction_wait->begin_ns);
    }
    update.came = std::max(update.came, rank.norm_end);
  }

  /// Adds the spans of the next action's instruction to `times`.
  void add_collectives(const std::map<std::string, std::vector<const Span*>>& spans,
                       const Instruction& i, const RankTimeline& rank,
                       std::vector<CollectiveTime>& times) const {
    const auto found = spans.find(to_string(i));
    if (found != spans.end()) {
      for (const Span* span : found->second) {
        times.push_back({rank.actions.size(), ms(span->begin_ns), ms(span->begin_ns),
                         ms(span->end_ns), rank_at(mesh_, rank.coordinate)});
      }
    }
  }

  /// Whether a collective within an instruction of kind `op` has both ranks as members.
  bool are_members(Op op, const MeshCoordinate& a, const MeshCoordinate& b) const {
    switch (traits(op).group) {
      case OpGroup::tensor:
        return a.pipeline == b.pipeline && a.data == b.data;
      case OpGroup::data:
        return a.pipeline == b.pipeline && a.tensor == b.tensor;
      case OpGroup::tied:
        return a.data == b.data && a.tensor == b.tensor;
      case OpGroup::peer:
      case OpGroup::all:
        return false;
    }
    return false;
  }

  /// Finds when the last member entered each collective. The k-th collective of an instruction
  /// matches the k-th of the other members.
  void rendezvous(RankTimeline& rank, const StepTimeline& step, Collectives list) const {
    std::vector<CollectiveTime>& times = rank.*list;
    std::size_t which = 0;
    for (std::size_t k = 0; k < times.size(); ++k) {
      CollectiveTime& mine = times[k];
      which = k > 0 && times[k - 1].action == mine.action ? which + 1 : 0;
      const Op op = rank.actions[mine.action].instruction.op;
      for (const RankTimeline& other : step.ranks) {
        const CollectiveTime* theirs = are_members(op, rank.coordinate, other.coordinate)
                                           ? matching(other, list, mine.action, op, which)
                                           : nullptr;
        if (theirs != nullptr && theirs->begin > mine.together) {
          mine.together = theirs->begin;
          mine.last_rank = rank_at(mesh_, other.coordinate);
        }
      }
      mine.together = std::min(mine.together, mine.end);
    }
  }

  /// The same collective on another rank. Ranks of one stage run the same line; T may be at another
  /// position on the other stage's line.
  static const CollectiveTime* matching(const RankTimeline& other, Collectives list,
                                        std::size_t action, Op op, std::size_t which) {
    if (op == Op::reduce_tied) {
      const auto tied =
          std::find_if(other.actions.begin(), other.actions.end(),
                       [](const Action& a) { return a.instruction.op == Op::reduce_tied; });
      action = static_cast<std::size_t>(tied - other.actions.begin());
    }
    const std::vector<CollectiveTime>& times = other.*list;
    auto found = std::lower_bound(
        times.begin(), times.end(), action,
        [](const CollectiveTime& c, std::size_t sought) { return c.action < sought; });
    found += std::min(static_cast<std::ptrdiff_t>(which), times.end() - found);
    return found != times.end() && found->action == action ? &*found : nullptr;
  }

  /// On a device, the span of a receive includes the wait for the source's compute. Sets its begin
  /// to when the source reached the send.
  void begin_when_sent(StepTimeline& step) const {
    using Key = std::pair<int, std::string>;  // column, instruction
    const auto column = [&](const RankTimeline& rank) { return column_of(mesh_, rank.coordinate); };
    std::map<Key, double> sent;
    for (const RankTimeline& rank : step.ranks) {
      for (const Action& action : rank.actions) {
        if (is_send(action.instruction.op)) {
          sent[{column(rank), to_string(action.instruction)}] = action.begin;
        }
      }
    }
    for (RankTimeline& rank : step.ranks) {
      for (Action& action : rank.actions) {
        if (is_receive(action.instruction.op)) {
          const Key send{column(rank), to_string(other_end(action.instruction))};
          action.begin = std::clamp(sent.at(send), action.begin, action.end);
        }
      }
    }
  }

  static void from_its_begin(StepTimeline& step) {
    step.begin = step.ranks.front().begin;
    for (const RankTimeline& rank : step.ranks) {
      step.begin = std::min(step.begin, rank.begin);
    }
    for (RankTimeline& rank : step.ranks) {
      for (double* time : {&rank.begin, &rank.norm_begin, &rank.norm_end}) {
        *time -= step.begin;
      }
      for (Action& action : rank.actions) {
        action.came -= step.begin;
        action.begin -= step.begin;
        action.end -= step.begin;
        step.duration = std::max(step.duration, action.end);
      }
      for (auto* times : {&rank.collectives, &rank.reductions}) {
        for (CollectiveTime& collective : *times) {
          collective.begin -= step.begin;
          collective.together -= step.begin;
          collective.end -= step.begin;
        }
      }
    }
  }

  const Program& program_;
  const MeshShape& mesh_;
  std::int64_t origin_ns_;
};

}  // namespace

std::vector<int> all_ranks(const MeshShape& mesh) {
  std::vector<int> ranks(static_cast<std::size_t>(mesh.ranks()));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

std::optional<double> RankTimeline::time_beside(std::size_t action) const {
  std::optional<double> sum;
  for (const CollectiveTime& reduction : reductions) {
    if (reduction.action == action) {
      sum = sum.value_or(0) + reduction.end - reduction.together;
    }
  }
  return sum;
}

StepTimeline predicted_timeline(const Timeline& timeline) {
  StepTimeline step;
  step.duration = timeline.makespan;
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    RankTimeline rank;
    rank.coordinate.pipeline = static_cast<int>(stage);
    rank.actions = timeline.stages[stage].actions;
    if (!rank.actions.empty()) {
      rank.norm_begin = rank.norm_end = rank.actions.back().came;
      rank.reduction_wait = timeline.stages[stage].reduction_wait;
    }
    for (const auto& [action, begin, end] : timeline.stages[stage].reductions) {
      rank.reductions.push_back({action, begin, begin, end, static_cast<int>(stage)});
    }
    step.ranks.push_back(std::move(rank));
  }
  return step;
}

std::vector<StepTimeline> measured_timelines(const Program& program, const MeshShape& mesh,
                                             const std::vector<const std::vector<Span>*>& spans,
                                             std::int64_t origin_ns) {
  std::vector<std::map<std::int64_t, StepSpans>> ranks;
  ranks.reserve(spans.size());
  for (const std::vector<Span>* rank : spans) {
    ranks.push_back(by_step(*rank));
  }
  std::vector<StepTimeline> steps;
  StepReader reader(program, mesh, origin_ns);
  for (const auto& [number, first] :
       ranks.empty() ? std::map<std::int64_t, StepSpans>{} : ranks.front()) {
    std::vector<const StepSpans*> of_step;
    for (const auto& rank : ranks) {
      const auto found = rank.find(number);
      of_step.push_back(found == rank.end() ? nullptr : &found->second);
    }
    if (auto step = reader.read(number, of_step)) {
      steps.push_back(std::move(*step));
    }
  }
  return steps;
}

}  // namespace stagecraft
