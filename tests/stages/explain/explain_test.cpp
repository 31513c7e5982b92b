#include "stages/explain/explain.h"
#include "stages/explain/critical_path.h"
#include "stages/explain/idle_cause.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <tuple>

#include "stages/explain/calibration.h"
#include "stages/program/edge.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

Program whole(const Program& compute) { return with_reductions(with_transfers(compute), {}); }

Explanation explanation_of(const Program& program, const CostTable& costs) {
  const MeshShape mesh{.pipeline = static_cast<int>(program.stages.size())};
  return explain_step(program, mesh, predicted_timeline(simulate(program, costs)), costs.slots);
}

/// The idle time of a rank, found by sampling moments instead of adding gaps.
double idle_by_sampling(const Timeline& timeline, std::size_t stage, double step) {
  double idle = 0;
  for (double at = step / 2; at < timeline.makespan; at += step) {
    const auto& actions = timeline.stages[stage].actions;
    const bool busy = std::any_of(actions.begin(), actions.end(),
                                  [&](const Action& a) { return a.begin <= at && at < a.end; });
    idle += busy ? 0 : step;
  }
  return idle;
}

const Gap& gap_before(const RankTimes& times, const std::string& next) {
  const auto found = std::find_if(times.gaps.begin(), times.gaps.end(),
                                  [&](const Gap& gap) { return to_string(gap.next) == next; });
  REQUIRE(found != times.gaps.end());
  return *found;
}

TEST_CASE("two stages, one micro-batch: all waits, worked out by hand") {
  // 0: F [0, 2], idle until the gradient comes at 2 + 1 + 2 + 4 + 1 = 10, B [10, 14], U
  // 1: idle until 3, F [3, 5], B [5, 9], U at 14
  const CostTable costs{.chunks = {{.forward = 2, .backward = 4}}, .transfer = 1, .optimizer = 3};
  const Explanation explanation = explanation_of(whole(gpipe({2, 1})), costs);
  const RankTimes& first = explanation.ranks[0];
  CHECK(first.compute == Approx(2 + 4 + 3));
  CHECK(first.communication == Approx(1));
  REQUIRE(first.gaps.size() == 1);
  CHECK(first.gaps[0].begin == Approx(2));
  CHECK(first.gaps[0].end == Approx(9));
  CHECK(first.gaps[0].cause == IdleCause::instruction);
  CHECK(first.gaps[0].culprit == 1);
  CHECK(to_string(first.gaps[0].awaited) == "1B0");
  const RankTimes& second = explanation.ranks[1];
  CHECK(second.communication == Approx(1));
  CHECK(to_string(gap_before(second, "1RA0").awaited) == "0F0");
  const Gap& update = gap_before(second, "U");
  CHECK(update.cause == IdleCause::optimizer);
  CHECK(update.end - update.begin == Approx(5));
  CHECK(to_string(update.awaited) == "0B0");
  std::vector<std::string> path;
  for (const PathPiece& piece : explanation.path) {
    path.push_back(to_string(piece.instruction));
  }
  CHECK(path == std::vector<std::string>{"0F0", "1RA0", "1F0", "1B0", "0RG0", "0B0", "U"});
}

TEST_CASE("the receiver is the culprit of a full channel") {
  // Stage 1 is slow: stage 0 has made its third output before the first one is received.
  const CostTable costs{.chunks = {{.forward = 1, .backward = 1}, {.forward = 10, .backward = 1}}};
  const Explanation explanation = explanation_of(whole(gpipe({2, 5})), costs);
  const Gap& gap = gap_before(explanation.ranks[0], "0SA3");
  CHECK(gap.cause == IdleCause::credit);
  CHECK(gap.culprit == 1);
  CHECK(to_string(gap.awaited) == "1RA1");
}

/// The spans of a rank's device in step 1, from times in microseconds.
std::vector<Span> spans_of(
    const std::vector<std::tuple<std::string, Lane, std::int64_t, std::int64_t>>& fired) {
  std::vector<Span> spans{{Lane::schedule, "", 0, 0, 0, 1, ""}};
  for (const auto& [instruction, lane, begin, end] : fired) {
    spans.push_back({lane, "", 1000 * begin, 1000 * end, 0, 1, instruction});
  }
  return spans;
}

TEST_CASE("a receive that waits on the device for the source's compute is idle until the send") {
  const Program program = whole(gpipe({2, 1}));
  const MeshShape mesh{.pipeline = 2};
  // Both receives are issued to their streams long before the sends.
  const std::vector<Span> first = spans_of({{"0F0", Lane::compute, 0, 40},
                                            {"0SA0", Lane::send, 40, 41},
                                            {"0RG0", Lane::receive, 41, 91},
                                            {"0B0", Lane::compute, 91, 120},
                                            {"U", Lane::optimizer, 120, 130}});
  const std::vector<Span> second = spans_of({{"1RA0", Lane::receive, 0, 50},
                                             {"1F0", Lane::compute, 50, 60},
                                             {"1B0", Lane::compute, 60, 80},
                                             {"1SG0", Lane::send, 80, 81},
                                             {"U", Lane::optimizer, 120, 130}});
  const std::vector<StepTimeline> steps = measured_timelines(program, mesh, {&first, &second}, 0);
  REQUIRE(steps.size() == 1);
  const Explanation explanation = explain_step(program, mesh, steps.front(), kReceiveSlots);
  const Gap& gradient = gap_before(explanation.ranks[0], "0RG0");
  CHECK(gradient.begin == Approx(0.041));
  CHECK(gradient.end == Approx(0.080));
  CHECK(gradient.cause == IdleCause::instruction);
  CHECK(to_string(gradient.awaited) == "1B0");
  CHECK(explanation.ranks[0].communication == Approx(0.001 + 0.011));
  const Gap& activation = gap_before(explanation.ranks[1], "1RA0");
  CHECK(activation.end == Approx(0.040));
  CHECK(to_string(activation.awaited) == "0F0");
  CHECK(explanation.ranks[1].communication == Approx(0.010 + 0.001));
  // The receives waited for compute, not for the transfer: calibration finds no transfer cost.
  CHECK(calibrate(program, mesh, steps).transfer == Approx(0).margin(1e-9));
}

TEST_CASE("reductions beside the backward are exposed only where the norm waits for them") {
  const Program program =
      parse_program("program stages 1 chunks 2 microbatches 1\n0: 0F0 1F0 1B0 1D 0B0 0D U\n");
  const MeshShape mesh{.data = 2};
  const auto rank = [](std::int64_t reached) {
    std::vector<Span> spans = spans_of({{"0F0", Lane::compute, 0, 10},
                                        {"1F0", Lane::compute, 10, 20},
                                        {"1B0", Lane::compute, 20, 40},
                                        {"1D", Lane::compute, 40, 40},
                                        {"1D", Lane::reductions, reached, 70},
                                        {"0B0", Lane::compute, 40, 60},
                                        {"0D", Lane::compute, 60, 60},
                                        {"0D", Lane::reductions, 70, 95},
                                        {"U", Lane::optimizer, 100, 110}});
    spans.push_back({Lane::collectives, "wait for reductions", 60'000, 95'000, 0, 1, ""});
    spans.push_back({Lane::optimizer, "gradient norm", 60'000, 100'000, 0, 1, ""});
    return spans;
  };
  const std::vector<Span> first = rank(40);
  const std::vector<Span> second = rank(45);
  const std::vector<StepTimeline> steps = measured_timelines(program, mesh, {&first, &second}, 0);
  REQUIRE(steps.size() == 1);
  const Explanation explanation = explain_step(program, mesh, steps.front(), kReceiveSlots);
  for (const RankTimes& times : explanation.ranks) {
    CHECK(times.compute == Approx(0.060 + 0.005 + 0.010));
    CHECK(times.communication == Approx(0.035));
    CHECK(times.idle == Approx(0).margin(1e-9));
  }
  const auto wait = std::find_if(explanation.path.begin(), explanation.path.end(),
                                 [](const PathPiece& p) { return p.begin > 0.0599; });
  REQUIRE(wait != explanation.path.end());
  CHECK(to_string(wait->instruction) == "0D");
  CHECK(wait->end == Approx(0.095));
  const CostTable costs = calibrate(program, mesh, steps);
  CHECK(costs.reductions_overlap);
  CHECK(costs.reduce_data == Approx(0.025));  // from when the second rank had come
}

TEST_CASE("gaps add up to the simulated idle time, and the critical path to the step") {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> cost(1, 8);
  for (const int stages : {1, 2, 3, 4}) {
    for (const test::NamedProgram& each : test::every_schedule(stages, 12)) {
      const Program program = whole(build_schedule(each.name, each.shape));
      CostTable costs;
      costs.chunks.clear();
      for (int chunk = 0; chunk < program.chunks; ++chunk) {
        const auto draw = [&] { return static_cast<double>(cost(random)); };
        costs.chunks.push_back(
            {.forward = draw(), .backward_input = draw(), .backward_weight = draw()});
      }
      costs.transfer = 0.5;
      costs.optimizer = 2;
      const Timeline timeline = simulate(program, costs);
      const Explanation explanation = explanation_of(program, costs);
      INFO(each.name << ", " << stages << " stages");
      for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
        const RankTimes& times = explanation.ranks[stage];
        double gaps = 0;
        double last = 0;
        for (const Gap& gap : times.gaps) {
          CHECK(gap.begin >= last - 1e-9);
          last = gap.end;
          gaps += gap.end - gap.begin;
        }
        CHECK(gaps == Approx(times.idle).margin(1e-9));
        CHECK(times.compute == Approx(timeline.stages[stage].busy));
        CHECK(times.idle + times.communication == Approx(timeline.stages[stage].idle).margin(1e-9));
        CHECK(times.idle + times.communication ==
              Approx(idle_by_sampling(timeline, stage, 0.25)).margin(1e-9));
      }
      double now = 0;
      for (const PathPiece& piece : explanation.path) {
        CHECK(piece.begin == Approx(now).margin(1e-9));
        now = piece.end;
      }
      CHECK(now == Approx(timeline.makespan));
    }
  }
}

TEST_CASE("calibration finds the costs that a timeline was simulated with") {
  const MeshShape mesh{.pipeline = 2};
  const CostTable costs{.chunks = {{.forward = 1, .backward_input = 2, .backward_weight = 3},
                                   {.forward = 4, .backward_input = 5, .backward_weight = 6}},
                        .transfer = 0.25,
                        .optimizer = 7};
  const Program program = whole(zb_h1({2, 6}));
  const CostTable found = calibrate(program, mesh, {predicted_timeline(simulate(program, costs))});
  CHECK(found.chunks[0].forward == Approx(1));
  CHECK(found.chunks[1].forward == Approx(4));
  CHECK(found.transfer == Approx(0.25));
  CHECK(found.optimizer == Approx(7));
  CHECK(simulate(program, found).makespan == Approx(simulate(program, costs).makespan));
}

TEST_CASE("calibration finds the costs of reductions that overlap") {
  const Program program =
      with_reductions(with_transfers(interleaved({.stages = 2, .microbatches = 4, .chunks = 2})),
                      {.tied = true, .data = true});
  const CostTable costs{
      .reduce_data = 2.5, .reduce_tied_data = 1.5, .optimizer = 1, .reductions_overlap = true};
  const Timeline timeline = simulate(program, costs);
  const CostTable found = calibrate(program, {.pipeline = 2}, {predicted_timeline(timeline)});
  CHECK(found.reductions_overlap);
  CHECK(found.reduce_data == Approx(2.5));
  CHECK(found.reduce_tied_data == Approx(1.5));
  CHECK(simulate(program, found).makespan == Approx(timeline.makespan));
}

TEST_CASE("calibration: T takes no negative time on a stage that does not wait for the other") {
  const MeshShape mesh{.pipeline = 2};
  const Program program = with_reductions(with_transfers(one_f_one_b({2, 4})), {.tied = true});
  StepTimeline step = predicted_timeline(simulate(program, {}));
  const auto tied = [&](std::size_t rank) -> Action& {
    return *std::find_if(step.ranks[rank].actions.begin(), step.ranks[rank].actions.end(),
                         [](const Action& a) { return a.instruction.op == Op::reduce_tied; });
  };
  tied(1).begin = tied(1).end = tied(1).came;  // the last stage reaches T first
  REQUIRE(tied(1).came < tied(0).came);
  CHECK(calibrate(program, mesh, {step}).reduce_tied == 0);
}

}  // namespace
}  // namespace stagecraft
