#include "launch/report/trace_summary.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "stages/explain/critical_path.h"
#include "stages/explain/explain.h"
#include "stages/explain/idle_cause.h"
#include "stages/explain/wait_index.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

/// Rounds milliseconds to whole nanoseconds.
double ms(double value) { return std::round(value * 1e6) * 1e-6; }

/// Cause of idle time, the rank that caused it (-1: none), and its kind of instruction.
using Fault = std::tuple<IdleCause, int, std::string>;

Fault fault_of(const Gap& gap) {
  const bool somebody = gap.culprit >= 0;
  return {gap.cause, gap.culprit, somebody ? std::string(letters(gap.awaited.op)) : ""};
}

std::string_view name_of(PathPiece::Kind kind) {
  constexpr std::string_view kNames[] = {"instruction", "transfer", "driver", "overhead"};
  return kNames[static_cast<int>(kind)];
}

/// Means over several steps.
class StepMeans {
 public:
  /// `numbers`: how the ranks of `mesh` are called.
  StepMeans(const TrainingPlan& plan, const MeshShape& mesh, const std::vector<int>& numbers)
      : plan_(plan), mesh_(mesh), numbers_(numbers) {
    ranks_.resize(static_cast<std::size_t>(mesh.ranks()));
  }

  void add(const StepTimeline& step, int slots) {
    const Explanation explanation = explain_step(plan_.program, mesh_, step, slots);
    ++steps_;
    duration_ += step.duration;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      add(explanation.ranks[rank], ranks_[rank]);
    }
    for (const PathPiece& piece : explanation.path) {
      const bool runs = piece.kind == PathPiece::Kind::instruction;
      path_[{piece.rank, name_of(piece.kind),
             runs ? std::string(letters(piece.instruction.op)) : ""}] += piece.end - piece.begin;
    }
  }

  double duration() const { return mean(duration_); }

  double bubble() const {
    double idle = 0;
    for (const Rank& rank : ranks_) {
      idle += rank.idle;
    }
    return duration_ > 0 ? idle / (duration_ * static_cast<double>(ranks_.size())) : 0;
  }

  Json rank(std::size_t number) const {
    const Rank& rank = ranks_[number];
    Json json = {{"compute", ms(mean(rank.compute))},
                 {"communication", ms(mean(rank.communication))},
                 {"idle", ms(mean(rank.idle))},
                 {"idle_by_cause", Json::array()}};
    for (const auto& [fault, time] : rank.faults) {
      const auto& [cause, culprit, op] = fault;
      Json entry = {{"cause", to_string(cause)}};
      if (culprit >= 0) {
        entry["rank"] = number_of(culprit);
        entry["op"] = op;
      }
      entry["ms"] = ms(mean(time));
      json["idle_by_cause"].push_back(std::move(entry));
    }
    return json;
  }

  Json path() const {
    Json json = Json::array();
    for (const auto& [key, time] : path_) {
      const auto& [rank, kind, op] = key;
      Json entry = {{"rank", number_of(rank)}, {"kind", kind}};
      if (!op.empty()) {
        entry["op"] = op;
      }
      entry["ms"] = ms(mean(time));
      json.push_back(std::move(entry));
    }
    return json;
  }

 private:
  struct Rank {
    double compute = 0, communication = 0, idle = 0;
    std::map<Fault, double> faults;
  };

  double mean(double sum) const { return sum / static_cast<double>(steps_); }
  int number_of(int rank) const { return numbers_[static_cast<std::size_t>(rank)]; }

  static void add(const RankTimes& times, Rank& rank) {
    rank.compute += times.compute;
    rank.communication += times.communication;
    rank.idle += times.idle;
    for (const Gap& gap : times.gaps) {
      rank.faults[fault_of(gap)] += gap.end - gap.begin;
    }
  }

  const TrainingPlan& plan_;
  const MeshShape& mesh_;
  const std::vector<int>& numbers_;
  int steps_ = 0;
  double duration_ = 0;
  std::vector<Rank> ranks_;
  std::map<std::tuple<int, std::string_view, std::string>, double> path_;
};

/// Every instruction and gap of one step.
Json step_json(const TrainingPlan& plan, const MeshShape& mesh, const std::vector<int>& numbers,
               const StepTimeline& step, int slots) {
  const auto number_of = [&](int rank) { return numbers[static_cast<std::size_t>(rank)]; };
  const Explanation explanation = explain_step(plan.program, mesh, step, slots);
  Json json = {{"duration", ms(step.duration)}, {"ranks", Json::array()}, {"path", Json::array()}};
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    Json actions = Json::array();
    for (const Action& action : step.ranks[rank].actions) {
      actions.push_back({to_string(action.instruction), ms(action.begin), ms(action.end)});
    }
    Json gaps = Json::array();
    for (const Gap& gap : explanation.ranks[rank].gaps) {
      Json entry = {{"begin", ms(gap.begin)},
                    {"end", ms(gap.end)},
                    {"cause", to_string(gap.cause)},
                    {"next", to_string(gap.next)}};
      if (gap.culprit >= 0) {
        entry["rank"] = number_of(gap.culprit);
        entry["awaited"] = to_string(gap.awaited);
      }
      gaps.push_back(std::move(entry));
    }
    json["ranks"].push_back({{"actions", std::move(actions)}, {"gaps", std::move(gaps)}});
  }
  for (const PathPiece& piece : explanation.path) {
    json["path"].push_back({{"rank", number_of(piece.rank)},
                            {"kind", name_of(piece.kind)},
                            {"instruction", to_string(piece.instruction)},
                            {"begin", ms(piece.begin)},
                            {"end", ms(piece.end)}});
  }
  return json;
}

/// Mean duration per kind of instruction and chunk. T counts from the moment when both stages have
/// reached it; U from the moment when all ranks have reached it to the end of the last. D and TD
/// that proceed beside other instructions count with the time that they take there.
class KindMeans {
 public:
  using Kind = std::pair<Op, int>;

  KindMeans(const TrainingPlan& plan, const MeshShape& mesh) : plan_(plan), mesh_(mesh) {}

  void add(const StepTimeline& step, int slots) {
    const WaitIndex waits(plan_.program, mesh_, step, slots);
    for (int rank = 0; rank < mesh_.ranks(); ++rank) {
      const std::vector<Action>& actions = waits.rank(rank).actions;
      for (std::size_t i = 0; i < actions.size(); ++i) {
        const auto& [op, chunk, microbatch] = actions[i].instruction;
        if (is_compute(op) || traits(op).kind == OpKind::reduction) {
          const double alone =
              actions[i].end - std::max(actions[i].begin, waits.awaited({rank, i}).until);
          add({op, traits(op).scope == OpScope::model_end ? 0 : chunk},
              waits.rank(rank).time_beside(i).value_or(alone));
        }
      }
    }
    add({Op::optimizer, 0}, step.duration - waits.rank(waits.last_to_come()).actions.back().came);
  }

  struct Mean {
    double sum = 0;
    std::int64_t count = 0;
    double value() const { return sum / static_cast<double>(count); }
  };
  const std::map<Kind, Mean>& kinds() const { return kinds_; }

 private:
  void add(const Kind& kind, double time) {
    kinds_[kind].sum += time;
    ++kinds_[kind].count;
  }

  const TrainingPlan& plan_;
  const MeshShape& mesh_;
  std::map<Kind, Mean> kinds_;
};

double relative_error(double predicted, double measured) {
  return measured > 0 ? predicted / measured - 1 : 0;
}

Json kinds_json(const KindMeans& measured, const KindMeans& predicted) {
  Json json = Json::array();
  for (const auto& [kind, mean] : measured.kinds()) {
    Json entry = {{"op", letters(kind.first)},
                  {"chunk", kind.second},
                  {"count", mean.count},
                  {"measured", ms(mean.value())}};
    const auto found = predicted.kinds().find(kind);
    if (found != predicted.kinds().end()) {
      entry["predicted"] = ms(found->second.value());
      entry["error"] = relative_error(found->second.value(), mean.value());
    }
    json.push_back(std::move(entry));
  }
  return json;
}

Json costs_json(const CostTable& costs) {
  Json json;
  for (const OpTraits& each : kOpTraits) {
    Json& entry = json[std::string(each.cost)];
    if (each.kind != OpKind::compute) {
      entry = ms(cost_of(costs, each.op, 0));
      continue;
    }
    for (std::size_t chunk = 0; chunk < costs.chunks.size(); ++chunk) {
      entry.push_back(ms(cost_of(costs, each.op, static_cast<int>(chunk))));
    }
  }
  return json;
}

Json head_json(const TrainingPlan& plan, const RunAnalysis& analysis) {
  Json steps = Json::array();
  for (const std::size_t position : analysis.judged) {
    steps.push_back(analysis.steps[position].step);
  }
  return {{"schedule", plan.parallel.schedule},
          {"pipeline", plan.mesh.pipeline},
          {"tensor", plan.mesh.tensor},
          {"data", plan.mesh.data},
          {"microbatches", plan.microbatches},
          {"stage_of_chunk", plan.program.stage_of_chunk},
          {"unit", "ms"},
          {"steps", std::move(steps)},
          {"typical_step", analysis.steps[analysis.typical].step}};
}

Json gaps_json(const std::vector<TraceGap>& gaps) {
  Json json = Json::array();
  for (const TraceGap& gap : gaps) {
    json.push_back({{"rank", gap.rank}, {"from_step", gap.from_step}, {"why", gap.why}});
  }
  return json;
}

}  // namespace

std::string trace_summary(const TrainingPlan& plan, const RunAnalysis& analysis,
                          const std::vector<TraceGap>& gaps) {
  StepMeans measured(plan, analysis.mesh, analysis.ranks);
  KindMeans measured_kinds(plan, analysis.mesh);
  for (const std::size_t position : analysis.judged) {
    measured.add(analysis.steps[position], kReceiveSlots);
    measured_kinds.add(analysis.steps[position], kReceiveSlots);
  }
  Json json = head_json(plan, analysis);
  json["lacks"] = gaps_json(gaps);
  json["step"] = {{"measured", ms(measured.duration())}, {"measured_bubble", measured.bubble()}};
  const MeshShape column{.pipeline = plan.mesh.pipeline};
  const std::vector<int> stages = all_ranks(column);
  StepMeans predicted(plan, column, stages);
  KindMeans predicted_kinds(plan, column);
  if (analysis.prediction) {
    const StepTimeline step = predicted_timeline(analysis.prediction->timeline);
    predicted.add(step, analysis.prediction->costs.slots);
    predicted_kinds.add(step, analysis.prediction->costs.slots);
    json["calibrated_on"] = analysis.prediction->calibrated;
    json["costs"] = costs_json(analysis.prediction->costs);
    json["step"]["predicted"] = ms(predicted.duration());
    json["step"]["predicted_bubble"] = predicted.bubble();
    json["step"]["error"] = relative_error(predicted.duration(), measured.duration());
  }
  for (std::size_t position = 0; position < analysis.ranks.size(); ++position) {
    const MeshCoordinate coordinate = coordinate_of(plan.mesh, analysis.ranks[position]);
    Json entry = {{"rank", analysis.ranks[position]},
                  {"stage", coordinate.pipeline},
                  {"data", coordinate.data},
                  {"tensor", coordinate.tensor},
                  {"measured", measured.rank(position)}};
    if (analysis.prediction) {
      entry["predicted"] = predicted.rank(static_cast<std::size_t>(coordinate.pipeline));
    }
    json["ranks"].push_back(std::move(entry));
  }
  json["kinds"] = kinds_json(measured_kinds, predicted_kinds);
  json["critical_path"]["measured"] = measured.path();
  json["typical"]["measured"] = step_json(plan, analysis.mesh, analysis.ranks,
                                          analysis.steps[analysis.typical], kReceiveSlots);
  if (analysis.prediction) {
    json["critical_path"]["predicted"] = predicted.path();
    json["typical"]["predicted"] =
        step_json(plan, column, stages, predicted_timeline(analysis.prediction->timeline),
                  analysis.prediction->costs.slots);
  }
  return json.dump(1) + "\n";
}

}  // namespace stagecraft
