// Compares the builders with the formulas of their sources: p stages, m micro-batches, v chunks per
// stage.
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "stages/predict/simulate.h"
#include "stages/program/edge.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"

namespace stagecraft {
namespace {

struct Times {
  double f = 1;
  double i = 1;
  double w = 1;
};

/// The longest idle time of any stage. `times` are those of a whole stage and one micro-batch.
double idle(const Program& compute, const ScheduleShape& shape, const Times& times,
            int slots = kReceiveSlots) {
  const double v = shape.chunks;
  const CostTable costs{.chunks = {{.forward = times.f / v,
                                    .backward_input = times.i / v,
                                    .backward_weight = times.w / v}},
                        .slots = slots};
  const Timeline timeline = simulate(with_transfers(compute), costs);
  double most = 0;
  for (const StageTimeline& stage : timeline.stages) {
    most = std::max(most, stage.idle);
  }
  return most;
}

/// The maximum number of micro-batches between I and W, per stage.
std::vector<int> waiting_for_weights(const Program& compute) {
  std::vector<int> most;
  for (const StageTimeline& stage : simulate(with_transfers(compute), {}).stages) {
    most.push_back(stage.peak_weight_stashes);
  }
  return most;
}

std::vector<int> peak_live(const Program& compute) {
  const Verdict verdict = verify(with_reductions(with_transfers(compute), {}), {});
  REQUIRE(verdict.counter_example.empty());
  std::vector<int> live;
  for (const StagePeak& peak : verdict.peaks) {
    live.push_back(peak.activations);
  }
  return live;
}

const std::vector<Times> kTimes = {{1, 1, 1}, {1, 1.5, 0.5}, {2, 2.5, 1.5}};

// looped-bfs sends tensors long before they are received, so the number of slots matters. A hoisted
// receive (transfer_pass.cpp) costs it at most the forward of one chunk.
TEST_CASE("gpipe, 1f1b and, with enough slots, looped-bfs idle (p-1)(F+I+W)/v") {
  for (const int p : {2, 4, 8}) {
    for (const Times& t : kTimes) {
      const double whole = (p - 1) * (t.f + t.i + t.w);
      const ScheduleShape one{.stages = p, .microbatches = 2 * p};
      CHECK(idle(gpipe(one), one, t) == Approx(whole));
      CHECK(idle(one_f_one_b(one), one, t) == Approx(whole));
      const ScheduleShape two{.stages = p, .microbatches = 2 * p, .chunks = 2};
      CHECK(idle(looped_bfs(two), two, t, 2 * p) >= Approx(whole / 2));
      CHECK(idle(looped_bfs(two), two, t, 2 * p) <= Approx(whole / 2 + t.f / 2));
    }
  }
}

TEST_CASE("interleaved idles (p-1)(F+I+W)/v and holds p(1+(p-1)/(pv)) at the first stage") {
  for (const int p : {2, 3, 4, 8}) {
    for (const int v : {2, 3, 4}) {
      const ScheduleShape shape{.stages = p, .microbatches = 4 * p, .chunks = v};
      const Program program = interleaved(shape);
      CHECK(idle(program, shape, {}) == Approx((p - 1) * 3.0 / v));
      CHECK(peak_live(program).front() == p * v + p - 1);  // in chunks: v per stage
    }
  }
}

TEST_CASE("zb-h1 idles (p-1)(F+I-W) and holds p-i+1 micro-batches on stage i from 1") {
  for (const int p : {2, 4, 8}) {
    const ScheduleShape shape{.stages = p, .microbatches = 4 * p};
    for (const Times& t : kTimes) {
      CHECK(idle(zb_h1(shape), shape, t) == Approx((p - 1) * (t.f + t.i - t.w)));
    }
    const std::vector<int> live = peak_live(zb_h1(shape));
    for (int stage = 0; stage < p; ++stage) {
      CHECK(live[static_cast<std::size_t>(stage)] == p - stage);
      // i-1 deferred, and the one whose I has just run.
      CHECK(waiting_for_weights(zb_h1(shape))[static_cast<std::size_t>(stage)] == stage + 1);
    }
  }
}

TEST_CASE("zb-h2 idles (p-1) max(F, F+I-2W) and holds 2p-2i+1 micro-batches on stage i from 1") {
  for (const int p : {2, 4, 8}) {
    const ScheduleShape shape{.stages = p, .microbatches = 4 * p};
    for (const Times& t : kTimes) {
      CHECK(idle(zb_h2(shape), shape, t) == Approx((p - 1) * std::max(t.f, t.f + t.i - 2 * t.w)));
    }
    const std::vector<int> live = peak_live(zb_h2(shape));
    for (int stage = 0; stage < p; ++stage) {
      CHECK(live[static_cast<std::size_t>(stage)] == 2 * (p - stage) - 1);
      CHECK(waiting_for_weights(zb_h2(shape))[static_cast<std::size_t>(stage)] == 2 * stage + 1);
    }
  }
}

TEST_CASE("zb-v idles (p-1)F/2 at equal times and holds p micro-batches everywhere") {
  for (const int p : {2, 4, 8}) {
    const ScheduleShape shape{.stages = p, .microbatches = 4 * p, .chunks = 2};
    CHECK(idle(zb_v(shape), shape, {}) == Approx((p - 1) / 2.0));
    CHECK(peak_live(zb_v(shape)) == std::vector<int>(static_cast<std::size_t>(p), 2 * p));
  }
}

TEST_CASE("looped-bfs holds every micro-batch of every chunk") {
  const ScheduleShape shape{.stages = 4, .microbatches = 8, .chunks = 2};
  CHECK(peak_live(looped_bfs(shape)) == std::vector<int>(4, 16));
}

TEST_CASE("dualpipe-v idles as long as zb-v at equal times and holds one chunk more") {
  for (const int p : {2, 4, 8}) {
    const ScheduleShape shape{.stages = p, .microbatches = 2 * p, .chunks = 2};
    CHECK(idle(dualpipe_v(shape), shape, {}) == Approx(idle(zb_v(shape), shape, {})));
    CHECK(peak_live(dualpipe_v(shape)) == std::vector<int>(static_cast<std::size_t>(p), 2 * p + 1));
  }
}

TEST_CASE("sizes outside a schedule's domain are refused with the remedy") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(build_schedule("interleaved", {4, 6, 2}),
                    Contains("6 micro-batches are not a multiple of 4"));
  CHECK_THROWS_WITH(build_schedule("interleaved", {4, 8, 1}), Contains("use 1f1b"));
  CHECK_THROWS_WITH(build_schedule("1f1b", {4, 8, 2}), Contains("use interleaved"));
  CHECK_THROWS_WITH(build_schedule("zb-h2", {4, 6, 1}), Contains("at least 7 micro-batches"));
  CHECK_THROWS_WITH(build_schedule("zb-v", {4, 7, 2}), Contains("at least 8 micro-batches"));
  CHECK_THROWS_WITH(build_schedule("dualpipe-v", {4, 8, 1}), Contains("set chunks = 2"));
  CHECK_THROWS_WITH(build_schedule("zigzag", {4, 8, 1}), Contains("there is no schedule"));
}

}  // namespace
}  // namespace stagecraft
