#include "launch/report/run_analysis.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "actors/protocol/run_report.h"
#include "launch/report/trace_summary.h"
#include "stages/explain/critical_path.h"
#include "stages/explain/explain.h"
#include "stages/program/edge.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "tests/actors/memory_trace.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using nlohmann::json;

struct Traced {
  TrainingPlan plan;
  std::vector<RankSpans> ranks;
  RunAnalysis analyse(const LaunchConfig& session = {}) const {
    return stagecraft::analyse(plan, session, ranks, 0);
  }
};

Traced traced_run(const ParallelConfig& parallel, std::int64_t steps) {
  test::SmallRun run;
  run.parallel = parallel;
  run.run.optimizer.steps = steps;
  run.run.trace_steps = steps;
  const auto trace = std::make_shared<test::MemoryTrace>();
  run.run.trace_sink = test::sinks_of(trace);
  test::KeepingObserver observer;
  Traced traced{run.plan(), {}};
  const RunResult result = run_training(traced.plan, run.run, run.data(), {observer});
  REQUIRE(result.failure.empty());
  for (const int rank : all_ranks(traced.plan.mesh)) {
    traced.ranks.push_back({rank, coordinate_of(traced.plan.mesh, rank), trace->spans(rank)});
  }
  return traced;
}

/// For one rank within a step: the time in which none of the step's compute or optimizer spans ran,
/// or one of its collectives did. Computed from the spans alone, interval by interval.
double milliseconds_without_compute(const RankSpans& rank, std::int64_t step, std::int64_t begin_ns,
                                    std::int64_t end_ns) {
  std::vector<std::int64_t> moments = {begin_ns, end_ns};
  for (const Span& span : rank.spans) {
    for (const std::int64_t at : {span.begin_ns, span.end_ns}) {
      if (begin_ns < at && at < end_ns) {
        moments.push_back(at);
      }
    }
  }
  std::sort(moments.begin(), moments.end());
  const auto covered = [&](std::int64_t at, auto&& wanted) {
    return std::any_of(rank.spans.begin(), rank.spans.end(), [&](const Span& span) {
      return span.step == step && wanted(span) && span.begin_ns <= at && at < span.end_ns;
    });
  };
  std::int64_t sum = 0;
  for (std::size_t i = 1; i < moments.size(); ++i) {
    const std::int64_t at = moments[i - 1];
    const bool computes = covered(at, [](const Span& span) {
      const bool reduces = span.name.find("reduce ") == 0;
      return (span.lane == Lane::compute && !reduces) || span.lane == Lane::optimizer;
    });
    const bool talks = covered(at, [](const Span& span) { return span.lane == Lane::collectives; });
    sum += computes && !talks ? 0 : moments[i] - at;
  }
  return static_cast<double>(sum) * 1e-6;
}

TEST_CASE("the times of a rank add up to the step, and the causes to its idle time") {
  for (const ParallelConfig& parallel :
       {ParallelConfig{.pipeline = 2},
        ParallelConfig{.pipeline = 2, .chunks = 2, .schedule = "zb-v"},
        ParallelConfig{.pipeline = 2, .tensor = 2, .data = 2}}) {
    const Traced traced = traced_run(parallel, 6);
    const RunAnalysis analysis = traced.analyse();
    REQUIRE(analysis.steps.size() == 6);
    for (const StepTimeline& step : analysis.steps) {
      const Explanation explanation =
          explain_step(traced.plan.program, traced.plan.mesh, step, kReceiveSlots);
      for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
        const RankTimes& times = explanation.ranks[rank];
        CHECK(times.compute + times.communication + times.idle == Approx(step.duration));
        const auto begin = static_cast<std::int64_t>(std::llround(step.begin * 1e6));
        const auto end = begin + static_cast<std::int64_t>(std::llround(step.duration * 1e6));
        CHECK(times.communication + times.idle ==
              Approx(milliseconds_without_compute(traced.ranks[rank], step.step, begin, end))
                  .epsilon(0.01));
      }
      double now = 0;
      for (const PathPiece& piece : explanation.path) {
        CHECK(piece.begin == Approx(now).margin(1e-6));
        now = piece.end;
      }
      CHECK(now == Approx(step.duration));
    }
  }
}

TEST_CASE("the first steps calibrate, the later ones are compared") {
  const Traced traced = traced_run({.pipeline = 2}, 6);
  const RunAnalysis analysis = traced.analyse();
  REQUIRE(analysis.prediction);
  CHECK(analysis.prediction->calibrated == std::vector<std::int64_t>{2, 3, 4});
  CHECK(analysis.judged == std::vector<std::size_t>{4, 5});
  CHECK(analysis.prediction->costs.chunks[0].forward > 0);
  LaunchConfig given;
  given.trace_cost = "F=1,B=2,U=3";
  const RunAnalysis from_table = traced.analyse(given);
  CHECK(from_table.prediction->calibrated.empty());
  // Two stages, eight micro-batches: (8 + 1) x 3 and the optimizer.
  CHECK(from_table.prediction->timeline.makespan == Approx(30));
  LaunchConfig none;
  none.trace_calibrate = false;
  CHECK_FALSE(traced.analyse(none).prediction);
}

TEST_CASE("one rank a stage is enough: the analysis is that of one pipeline") {
  const Traced all = traced_run({.pipeline = 2, .tensor = 2, .data = 2}, 4);
  const RunAnalysis whole = all.analyse();
  CHECK(whole.mesh == all.plan.mesh);
  CHECK(whole.ranks == all_ranks(all.plan.mesh));
  const std::vector<int> traced = GENERATE(std::vector<int>{0, 4}, std::vector<int>{3, 7, 0});
  Traced some{all.plan, {}};
  for (const int rank : traced) {
    some.ranks.push_back(all.ranks[static_cast<std::size_t>(rank)]);
  }
  const RunAnalysis analysis = some.analyse();
  CHECK(analysis.mesh == MeshShape{.pipeline = 2});
  CHECK(analysis.ranks == std::vector<int>{traced[0], traced[1]});
  REQUIRE(analysis.steps.size() == 4);
  REQUIRE(analysis.prediction);
  for (std::size_t i = 0; i < 4; ++i) {
    for (const int stage : {0, 1}) {
      const auto rank = static_cast<std::size_t>(traced[static_cast<std::size_t>(stage)]);
      const auto& mine = analysis.steps[i].ranks[static_cast<std::size_t>(stage)].actions;
      const auto& of_all = whole.steps[i].ranks[rank].actions;
      REQUIRE(mine.size() == of_all.size());
      CHECK(mine.front().end - mine.front().begin ==
            Approx(of_all.front().end - of_all.front().begin));
    }
    const Explanation explanation =
        explain_step(some.plan.program, analysis.mesh, analysis.steps[i], kReceiveSlots);
    for (const RankTimes& times : explanation.ranks) {
      CHECK(times.compute + times.communication + times.idle == Approx(analysis.steps[i].duration));
    }
  }
}

TEST_CASE("a stage without any trace leaves no step to analyse") {
  Traced traced = traced_run({.pipeline = 2, .tensor = 2}, 2);
  std::erase_if(traced.ranks, [](const RankSpans& rank) { return rank.coordinate.pipeline == 1; });
  CHECK(traced.analyse().steps.empty());
  CHECK_FALSE(traced.analyse().prediction);
}

TEST_CASE("T counts from when both stages of its own column have reached it") {
  TrainingPlan plan;
  plan.mesh = {.pipeline = 1, .tensor = 2};
  plan.program = with_reductions(
      parse_program("program stages 1 chunks 1 microbatches 1\n0: 0F0 0B0\n"), {.tied = true});
  const auto rank_of = [](int tensor, double late) {
    RankTimeline rank;
    rank.coordinate.tensor = tensor;
    rank.norm_begin = rank.norm_end = late + 7;
    rank.actions = {{{Op::forward, 0, 0}, 0, 0, late + 2},
                    {{Op::backward, 0, 0}, late + 2, late + 2, late + 6},
                    {{Op::reduce_tied, 0, 0}, late + 6, late + 6, late + 7},
                    {{Op::optimizer, 0, 0}, late + 7, 20, 22}};
    return rank;
  };
  RunAnalysis analysis;
  analysis.mesh = plan.mesh;
  analysis.ranks = {0, 1};
  StepTimeline step;
  step.duration = 22;
  step.ranks = {rank_of(0, 0), rank_of(1, 5)};
  analysis.steps = {step};
  analysis.judged = {0};
  const json kinds = json::parse(trace_summary(plan, analysis, {})).at("kinds");
  const auto measured = [&](const std::string& op) {
    const auto found = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const json& kind) { return kind.at("op") == op; });
    REQUIRE(found != kinds.end());
    return found->at("measured").get<double>();
  };
  CHECK(measured("B") == Approx(4));
  CHECK(measured("T") == Approx(1));
  CHECK(measured("U") == Approx(22 - 12));
}

}  // namespace
}  // namespace stagecraft
