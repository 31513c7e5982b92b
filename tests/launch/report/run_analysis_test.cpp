#include "launch/report/run_analysis.h"
#include "launch/report/write_trace.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "actors/protocol/run_report.h"
#include "launch/artifacts/run_directory.h"
#include "launch/commands/explain_command.h"
#include "launch/report/trace_summary.h"
#include "stages/explain/critical_path.h"
#include "stages/explain/explain.h"
#include "stages/program/edge.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using nlohmann::json;

struct Traced {
  TrainingPlan plan;
  RunResult result;
};

Traced traced_run(const ParallelConfig& parallel, std::int64_t steps) {
  test::SmallRun run;
  run.parallel = parallel;
  run.run.optimizer.steps = steps;
  run.run.trace_steps = steps;
  test::KeepingObserver observer;
  Traced traced{run.plan(), {}};
  traced.result = run_training(traced.plan, run.run, run.data(), {observer});
  REQUIRE(traced.result.failure.empty());
  return traced;
}

/// For one rank within a step: the time in which none of the step's compute or optimizer spans ran,
/// or one of its collectives did. Computed from the spans alone, interval by interval.
double milliseconds_without_compute(const RankReport& rank, std::int64_t step,
                                    std::int64_t begin_ns, std::int64_t end_ns) {
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
    const RunAnalysis analysis = analyse(traced.plan, {}, traced.result);
    REQUIRE(analysis.steps.size() == 6);
    for (const StepTimeline& step : analysis.steps) {
      const Explanation explanation =
          explain_step(traced.plan.program, traced.plan.mesh, step, kReceiveSlots);
      for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
        const RankTimes& times = explanation.ranks[rank];
        CHECK(times.compute + times.communication + times.idle == Approx(step.duration));
        const auto begin = traced.result.trace_origin_ns +
                           static_cast<std::int64_t>(std::llround(step.begin * 1e6));
        const auto end = begin + static_cast<std::int64_t>(std::llround(step.duration * 1e6));
        CHECK(times.communication + times.idle ==
              Approx(milliseconds_without_compute(traced.result.ranks[rank], step.step, begin, end))
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
  const RunAnalysis analysis = analyse(traced.plan, {}, traced.result);
  REQUIRE(analysis.prediction);
  CHECK(analysis.prediction->calibrated == std::vector<std::int64_t>{2, 3, 4});
  CHECK(analysis.judged == std::vector<std::size_t>{4, 5});
  CHECK(analysis.prediction->costs.chunks[0].forward > 0);
  LaunchConfig given;
  given.trace_cost = "F=1,B=2,U=3";
  const RunAnalysis from_table = analyse(traced.plan, given, traced.result);
  CHECK(from_table.prediction->calibrated.empty());
  // Two stages, eight micro-batches: (8 + 1) x 3 and the optimizer.
  CHECK(from_table.prediction->timeline.makespan == Approx(30));
  LaunchConfig none;
  none.trace_calibrate = false;
  CHECK_FALSE(analyse(traced.plan, none, traced.result).prediction);
}

TEST_CASE("the summary of a trace: causes add up to idle, and explain reads it") {
  const Traced traced = traced_run({.pipeline = 2, .chunks = 2, .schedule = "interleaved"}, 5);
  const TemporaryFolder folder;
  LaunchConfig session;
  session.directory = folder.path().string();
  session.trace_file = (folder.path() / "trace.json").string();
  RunSettings settings;
  settings.session = session;
  write_trace(traced.plan, settings, traced.result);
  const json summary = json::parse(read_file(trace_summary_file(folder.path())));
  CHECK(summary.at("steps") == json({5}));
  for (const json& rank : summary.at("ranks")) {
    for (const char* side : {"measured", "predicted"}) {
      double causes = 0;
      for (const json& cause : rank.at(side).at("idle_by_cause")) {
        causes += cause.at("ms").get<double>();
      }
      CHECK(causes == Approx(rank.at(side).at("idle").get<double>()).epsilon(0.01).margin(1e-5));
    }
  }
  std::set<std::string> kinds;
  for (const json& kind : summary.at("kinds")) {
    kinds.insert(kind.at("op").get<std::string>() + std::to_string(kind.at("chunk").get<int>()));
    CHECK(kind.contains("error"));
  }
  CHECK(kinds == std::set<std::string>{"F0", "F1", "F2", "F3", "B0", "B1", "B2", "B3", "T0", "U0"});
  CHECK(explain({.run = folder.path(), .svg = folder.path() / "step.svg"}) == 0);
  const std::string picture = read_file(folder.path() / "step.svg");
  for (const char* text :
       {"stage 1 predicted", "stage 1 measured", "exposed communication", "waits for "}) {
    CHECK_THAT(picture, Catch::Contains(text));
  }
  // Measured and predicted are two groups of lanes per rank.
  const json trace = json::parse(read_file(folder.path() / "trace.json"));
  std::set<std::string> groups;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("name") == "process_name") {
      groups.insert(event.at("args").at("name"));
    }
  }
  CHECK(groups == std::set<std::string>{"stage 0 rank 0 data 0 tensor 0",
                                        "stage 0 rank 0 data 0 tensor 0 predicted",
                                        "stage 1 rank 1 data 0 tensor 0",
                                        "stage 1 rank 1 data 0 tensor 0 predicted"});
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
  StepTimeline step;
  step.duration = 22;
  step.ranks = {rank_of(0, 0), rank_of(1, 5)};
  analysis.steps = {step};
  analysis.judged = {0};
  const json kinds = json::parse(trace_summary(plan, analysis)).at("kinds");
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

TEST_CASE("explain refuses a run without a summary, and a file that is not a summary") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(explain({.run = folder.path(), .svg = {}}),
                    Catch::Contains("has no trace_summary.json"));
  for (const char* text : {"{", "{}", "[1]", R"({"ranks": 3})"}) {
    write_file(trace_summary_file(folder.path()), text);
    CHECK_THROWS_WITH(explain({.run = folder.path(), .svg = {}}),
                      Catch::Contains("is not a trace summary"));
  }
}

}  // namespace
}  // namespace stagecraft
