#include "stages/predict/simulate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "kernels/base/error.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

const Action& find(const Timeline& timeline, int stage, const Instruction& instruction) {
  const auto& actions = timeline.stages.at(static_cast<std::size_t>(stage)).actions;
  const auto found = std::find_if(actions.begin(), actions.end(), [&](const Action& action) {
    return action.instruction == instruction;
  });
  REQUIRE(found != actions.end());
  return *found;
}

/// The smallest times that satisfy every rule of simulate.h, found by applying the rules repeatedly
/// until nothing changes. Slow, but without an order of events.
class Relaxation {
 public:
  Relaxation(const Program& program, const CostTable& costs) : program_(program), costs_(costs) {}

  /// When the groups of each stage end, in order.
  std::vector<std::vector<double>> ends() {
    for (changed_ = true; changed_;) {
      changed_ = false;
      ends_.clear();
      for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
        sweep(static_cast<int>(stage));
      }
    }
    return ends_;
  }

 private:
  using Key = std::pair<std::string, int>;

  double& time(const std::string& name, int number) { return times_[{name, number}]; }

  void raise(const std::string& name, int number, double value) {
    double& current = time(name, number);
    changed_ = changed_ || value > current;
    current = std::max(current, value);
  }

  void sweep(int stage) {
    std::map<std::string, int> counts;
    double now = 0;
    ends_.emplace_back();
    for (const TransferGroup& group : program_.stages[static_cast<std::size_t>(stage)]) {
      double end = now;
      for (const Instruction& i : group) {
        end = std::max(end, is_transfer(i.op) ? transfer(i, stage, now, counts) : now + cost(i));
      }
      now = end;
      ends_.back().push_back(now);
    }
  }

  double transfer(const Instruction& i, int stage, double now, std::map<std::string, int>& counts) {
    const bool activation = i.op == Op::send_activation || i.op == Op::receive_activation;
    const int source = is_send(i.op) ? stage : stage + (activation ? -1 : 1);
    const std::string name = (activation ? "act " : "grad ") + std::to_string(source);
    const int k = counts[name + std::string(letters(i.op))]++;
    if (is_send(i.op)) {
      const double issued =
          std::max(now, k < costs_.slots ? 0 : time("got " + name, k - costs_.slots));
      const double before = k == 0 ? 0 : time("there " + name, k - 1);
      raise("there " + name, k, std::max(issued, before) + costs_.transfer);
      return issued;
    }
    raise("got " + name, k, std::max(now, time("there " + name, k)));
    return time("got " + name, k);
  }

  double cost(const Instruction& i) const {
    const ComputeCosts& c = costs_.chunks.at(static_cast<std::size_t>(i.chunk));
    return i.op == Op::forward ? c.forward : c.backward_input + c.backward_weight;
  }

  const Program& program_;
  const CostTable& costs_;
  std::map<Key, double> times_;
  std::vector<std::vector<double>> ends_;
  bool changed_ = false;
};

std::vector<std::vector<double>> group_ends(const Program& program, const Timeline& timeline) {
  std::vector<std::vector<double>> ends(program.stages.size());
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    auto action = timeline.stages[stage].actions.begin();
    for (const TransferGroup& group : program.stages[stage]) {
      const auto next = action + static_cast<std::ptrdiff_t>(group.size());
      ends[stage].push_back(std::max_element(action, next, [](const Action& a, const Action& b) {
                              return a.end < b.end;
                            })->end);
      action = next;
    }
  }
  return ends;
}

TEST_CASE("the idle time of GPipe and 1F1B agrees with the formula") {
  for (const std::string name : {"gpipe", "1f1b"}) {
    for (const int stages : {1, 2, 3, 4, 8}) {
      for (const int microbatches : {8, 9, 16}) {
        const CostTable costs{
            .chunks = {{.forward = 3, .backward_input = 4, .backward_weight = 2}}};
        const Timeline timeline =
            simulate(with_transfers(build_schedule(name, {stages, microbatches})), costs);
        for (int stage = 0; stage < stages; ++stage) {
          const StageTimeline& line = timeline.stages.at(static_cast<std::size_t>(stage));
          CHECK(line.idle == Approx((stages - 1) * 9));
          CHECK(line.busy == Approx(microbatches * 9));
          CHECK(line.peak_activations == (name == "gpipe" ? microbatches : stages - stage));
        }
        CHECK(timeline.bubble == Approx((stages - 1.0) / (microbatches + stages - 1.0)));
      }
    }
  }
}

TEST_CASE("deferred weight gradients fill the bubble: ZB-H1 of two stages") {
  const Program program =
      with_transfers(parse_program("program stages 2 chunks 2 microbatches 3\n"
                                   "0: 0F0 0F1 0I0 0F2 0I1 0W0 0W1 0I2 0W2\n"
                                   "1: 1F0 1I0 1F1 1I1 1W0 1F2 1I2 1W1 1W2\n"));
  const Timeline timeline = simulate(program, {});
  CHECK(timeline.makespan == Approx(10));  // 3(F+I+W) + (p-1)(F+I-W)
  CHECK(timeline.stages[0].idle == Approx(1));
  CHECK(timeline.stages[1].idle == Approx(1));
  CHECK(timeline.stages[0].peak_activations == 2);
  CHECK(timeline.stages[0].peak_weight_stashes == 2);
  CHECK(timeline.stages[1].peak_weight_stashes == 2);
}

TEST_CASE("transfers, the tied sum and the optimizer take their time") {
  const Program program =
      with_reductions(with_transfers(gpipe({2, 1})), {.tied = true, .data = true});
  const CostTable costs{.chunks = {{.backward = 2.5}},
                        .transfer = 0.5,
                        .reduce_tied = 3,
                        .reduce_data = 7,
                        .reduce_tied_data = 2,
                        .optimizer = 11};
  const Timeline timeline = simulate(program, costs);
  CHECK(find(timeline, 1, {Op::forward, 1, 0}).begin == Approx(1.5));
  CHECK(find(timeline, 0, {Op::backward, 0, 0}).begin == Approx(5.5));
  // Stage 1 reaches T at 12 and waits for stage 0, which reaches it at 15.
  CHECK(find(timeline, 1, {Op::reduce_data, 1, 0}).begin == Approx(5));
  CHECK(find(timeline, 1, {Op::reduce_tied, 1, 0}).begin == Approx(15));
  CHECK(find(timeline, 1, {Op::reduce_tied_data, 1, 0}).begin == Approx(18));
  CHECK(find(timeline, 0, {Op::optimizer, 0, 0}).begin == Approx(20));
  CHECK(timeline.makespan == Approx(31));
}

TEST_CASE("reductions that overlap proceed beside the backward of other chunks") {
  const Program program =
      parse_program("program stages 1 chunks 2 microbatches 1\n0: 0F0 1F0 1B0 1D 0B0 0D U\n");
  CostTable costs{.reduce_data = 3, .optimizer = 1};
  const Timeline in_turn = simulate(program, costs);
  CHECK(in_turn.makespan == Approx(6 + 2 * 3 + 1));
  CHECK(in_turn.stages[0].reduction_wait == 0);
  costs.reductions_overlap = true;
  const Timeline beside = simulate(program, costs);
  // 1D from 4 to 7 beside 0B0, which ends at 6; 0D from 7 to 10.
  CHECK(find(beside, 0, {Op::backward, 0, 0}).begin == Approx(4));
  CHECK(beside.stages[0].reduction_wait == Approx(4));
  CHECK(beside.makespan == Approx(11));
  CHECK(beside.stages[0].busy == Approx(7));
  CHECK(beside.stages[0].idle == Approx(0));
}

TEST_CASE("the optimizer waits for the slowest stage") {
  const Program program = parse_program(
      "program stages 2 chunks 2 microbatches 1\n"
      "0: 0F0 0SA0 0RG0 0I0 0W0 U\n"
      "1: 1RA0 1F0 1I0 1SG0 1W0 U\n");
  for (const int slow : {0, 1}) {
    CostTable costs{.chunks = {{}, {}}, .optimizer = 1};
    costs.chunks.at(static_cast<std::size_t>(slow)).backward_weight = 100;
    const Timeline timeline = simulate(program, costs);
    const double last = slow == 0 ? 104 : 103;
    CHECK(find(timeline, 0, {Op::optimizer, 0, 0}).begin == Approx(last));
    CHECK(find(timeline, 1, {Op::optimizer, 0, 0}).begin == Approx(last));
  }
}

TEST_CASE("a send waits for a free slot, and the stage waits with it") {
  const Program program = with_transfers(forwards_of(one_f_one_b({2, 3})));
  const auto third_send_with = [&](int slots) {
    const CostTable costs{.chunks = {{.forward = 1}, {.forward = 10}}, .slots = slots};
    return find(simulate(program, costs), 0, {Op::send_activation, 0, 2});
  };
  CHECK(third_send_with(1).came == Approx(3));
  CHECK(third_send_with(1).end == Approx(11));  // when stage 1 receives micro-batch 1
  CHECK(third_send_with(2).end == Approx(3));
  CHECK(simulate(program, {}).stages[0].peak_activations == 0);
}

TEST_CASE("a channel carries one tensor at a time") {
  const Program program = with_transfers(forwards_of(one_f_one_b({2, 3})));
  const Timeline timeline = simulate(program, {.transfer = 4});
  CHECK(find(timeline, 1, {Op::forward, 1, 1}).begin == Approx(9));
  CHECK(find(timeline, 1, {Op::forward, 1, 2}).begin == Approx(13));
}

TEST_CASE("with random costs the times are those that relaxation finds") {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const ScheduleShape shape{1 + static_cast<int>(random() % 5),
                              1 + static_cast<int>(random() % 9)};
    CostTable costs{.chunks = {},
                    .transfer = static_cast<double>(random() % 6),
                    .slots = 1 + static_cast<int>(random() % 3)};
    for (int chunk = 0; chunk < shape.stages; ++chunk) {
      costs.chunks.push_back({.forward = static_cast<double>(random() % 9),
                              .backward_input = static_cast<double>(random() % 9),
                              .backward_weight = static_cast<double>(random() % 9)});
    }
    const Program program = with_transfers(random() % 2 == 0 ? gpipe(shape) : one_f_one_b(shape));
    // Costs are whole numbers, so that sums are exact.
    CHECK(group_ends(program, simulate(program, costs)) == Relaxation(program, costs).ends());
  }
}

TEST_CASE("a program that deadlocks and invalid costs are refused") {
  const Program crosswise = parse_program(
      "program stages 2 chunks 2 microbatches 1\n"
      "0: 0F0 0RG0 0SA0 0B0\n"
      "1: 1RA0 1F0 1B0 1SG0\n");
  CHECK_THROWS_WITH(simulate(crosswise, {}),
                    Contains("stage 0 is at 0RG0 (position 1)") && Contains("from stage 1"));
  const Program program = with_transfers(gpipe({2, 2}));
  CHECK_THROWS_WITH(simulate(program, {.chunks = {{}, {}, {}}}), Contains("lists 3 chunks"));
  CHECK_THROWS_WITH(simulate(program, {.transfer = -1}), Contains("negative"));
}

}  // namespace
}  // namespace stagecraft
