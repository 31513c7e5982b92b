// Compares the search with the named schedules and, at small sizes, with all possible orders.
#include "stages/plan/auto_schedule.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"

namespace stagecraft {
namespace {

Program whole(const Program& compute) { return with_reductions(with_transfers(compute), {}); }

const std::vector<CostTable> kCosts = {
    {},
    {.chunks = {{.forward = 1, .backward_input = 1.5, .backward_weight = 0.5}}, .transfer = 0.2},
    {.chunks = {{.forward = 1, .backward_input = 1, .backward_weight = 1, .backward = 1.8}},
     .transfer = 0.5}};

/// Limits with a stash and a weight stash of each chunk and micro-batch, and `limit` per stage.
std::function<Limits(const std::vector<int>&)> limited(std::int64_t limit) {
  return [limit](const std::vector<int>& stage_of_chunk) {
    return Limits{.bytes = limit,
                  .chunk_bytes = std::vector<ChunkBytes>(stage_of_chunk.size(),
                                                         {.stash = 100, .weight_stash = 60}),
                  .tensor_bytes = 1};
  };
}

TEST_CASE("auto is proven and never worse than any named schedule that fits") {
  for (const int p : {1, 2, 3, 4}) {
    for (const int m : {1, 4, 8}) {
      for (const int v : {1, 2}) {
        for (const std::int64_t limit : {1000000, 560}) {
          for (const CostTable& costs : kCosts) {
            const ScheduleShape shape{p, m, v};
            INFO(p << " stages x " << v << " chunks, " << m << ", limit " << limit);
            const AutoProblem problem{
                .shape = shape, .costs = costs, .limits = limited(limit), .budget = 60000};
            const AutoSchedule found = find_schedule(problem);
            const Limits limits = problem.limits(found.compute.stage_of_chunk);
            const Verdict verdict = verify(whole(found.compute), {}, limits);
            CHECK(verdict.counter_example.empty());
            CHECK(simulate(whole(found.compute), costs).makespan == Approx(found.makespan));
            for (const std::string& name : schedule_names()) {
              Program named;
              try {
                named = whole(build_schedule(name, shape));
              } catch (const Error&) {
                continue;  // outside its domain
              }
              if (verify(named, {}, problem.limits(named.stage_of_chunk)).proven) {
                CHECK(found.makespan <= Approx(simulate(named, costs).makespan));
              }
            }
          }
        }
      }
    }
  }
}

/// Every order of one stage's F, I and W of two micro-batches, with W in micro-batch order.
std::vector<StageProgram> all_lines(int stage) {
  std::vector<StageProgram> all;
  const auto extend = [&](auto&& self, const StageProgram& line, int f, int i, int w) -> void {
    if (line.size() == 6) {
      all.push_back(line);
      return;
    }
    const auto with = [&](Op op, int m) {
      StageProgram longer = line;
      longer.push_back({{op, stage, m}});
      return longer;
    };
    for (const int m : {0, 1}) {
      const int bit = 1 << m;
      if ((f & bit) == 0) {
        self(self, with(Op::forward, m), f | bit, i, w);
      }
      if ((f & bit) != 0 && (i & bit) == 0) {
        self(self, with(Op::backward_input, m), f, i | bit, w);
      }
      if ((i & bit) != 0 && w == bit - 1) {
        self(self, with(Op::backward_weight, m), f, i, w | bit);
      }
    }
  };
  extend(extend, {}, 0, 0, 0);
  return all;
}

/// The smallest makespan of all programs of such lines: every B is split into I and W.
double least(int stages, const CostTable& costs) {
  Program program{.chunks = stages,
                  .microbatches = 2,
                  .stage_of_chunk = {},
                  .stages = std::vector<StageProgram>(static_cast<std::size_t>(stages))};
  for (int stage = 0; stage < stages; ++stage) {
    program.stage_of_chunk.push_back(stage);
  }
  double best = 1e9;
  const auto choose = [&](auto&& self, int stage) -> void {
    if (stage == stages) {
      const Program candidate = whole(program);
      if (verify(candidate, {}).proven) {
        best = std::min(best, simulate(candidate, costs).makespan);
      }
      return;
    }
    for (const StageProgram& line : all_lines(stage)) {
      program.stages[static_cast<std::size_t>(stage)] = line;
      self(self, stage + 1);
    }
  };
  choose(choose, 0);
  return best;
}

TEST_CASE("auto finds the best of all orders where these can be enumerated") {
  for (const CostTable& costs :
       {CostTable{},
        CostTable{.chunks = {{.forward = 1, .backward_input = 2, .backward_weight = 0.5}},
        .transfer = 0.25}}) {
    CHECK(find_schedule({.shape = {2, 2}, .costs = costs}).makespan == Approx(least(2, costs)));
  }
  const CostTable uneven{.chunks = {{.forward = 2, .backward_input = 1, .backward_weight = 3},
                                    {.forward = 1, .backward_input = 2, .backward_weight = 1}}};
  CHECK(find_schedule({.shape = {2, 2}, .costs = uneven}).makespan == Approx(least(2, uneven)));
}

TEST_CASE("auto beats every named schedule at sizes or costs that none was made for") {
  // Fewer micro-batches than zb-v needs.
  const AutoSchedule few =
      find_schedule({.shape = {4, 4, 2}, .costs = {.chunks = {{}}, .transfer = 0.1}});
  CHECK(few.best_named == "interleaved");
  CHECK(few.makespan < 0.9 * few.named_makespan);
  // The second stage costs twice as much: its work takes 24, after one forward and one transfer.
  CostTable uneven{.chunks = {4, ComputeCosts{}}, .transfer = 0.1};
  uneven.chunks[1] = {.forward = 2, .backward_input = 2.5, .backward_weight = 1.5};
  const AutoSchedule found = find_schedule({.shape = {4, 4}, .costs = uneven});
  CHECK(found.makespan < 0.99 * found.named_makespan);
  CHECK(found.makespan >= Approx(24 + 1.1));
}

TEST_CASE("auto has a budget for named schedules, but tries them until one fits") {
  const CostTable fused{
      .chunks = {{.forward = 1, .backward_input = 1, .backward_weight = 1, .backward = 1}}};
  AutoProblem problem{.shape = {4, 8}, .costs = fused, .budget = 0};
  CHECK(find_schedule(problem).origin == "1f1b");  // B costs half of I and W together
  problem.named_budget = 0;
  CHECK(find_schedule(problem).origin == "zb-h2");
  problem.limits = limited(520);  // zb-h2 holds seven micro-batches, zb-h1 four
  CHECK(find_schedule(problem).origin == "zb-h1");
}

TEST_CASE("auto keeps to a memory limit, and says when nothing fits") {
  const auto peaks = [](std::int64_t limit) {
    const AutoProblem problem{.shape = {4, 8}, .limits = limited(limit)};
    const AutoSchedule found = find_schedule(problem);
    const Verdict verdict =
        verify(whole(found.compute), {}, problem.limits(found.compute.stage_of_chunk));
    REQUIRE(verdict.proven);
    return std::max_element(
               verdict.peaks.begin(), verdict.peaks.end(),
               [](const StagePeak& a, const StagePeak& b) { return a.bytes < b.bytes; })
        ->bytes;
  };
  CHECK(peaks(300) <= 300);  // less than 1f1b's four micro-batches on the first stage
  CHECK_THROWS_WITH(peaks(50), Catch::Matchers::Contains("fits the memory"));
}

}  // namespace
}  // namespace stagecraft
