// The sums of a step: the order of arrival does not change them.
#include "actors/driver/step_reduction.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace stagecraft {
namespace {

/// One stage, three data ranks, two micro-batches each.
TrainingPlan three_data_ranks() {
  ModelConfig model;
  model.layers = 1;
  model.hidden = 8;
  model.heads = 2;
  model.sequence = 4;
  model.vocab = 256;
  return make_plan(gpt(model, 1), {.data = 3}, {.global_batch = 6, .micro_batch = 1});
}

constexpr double kLarge = 1e16;  // the next double is 2 away, so a sum shows its order

RankResults done(int rank, const std::vector<double>& losses,
                 std::vector<WireSquare> squares = {}) {
  return {rank, to_wire_all(losses), std::move(squares)};
}

}  // namespace

TEST_CASE("losses of a step: by micro-batch, then along the tree of data ranks") {
  const TrainingPlan plan = three_data_ranks();
  const std::vector<RankResults> all = {done(0, {kLarge, 1}), done(1, {1, 1}),
                                        done(2, {-kLarge, 3})};
  // (1e16 + 1) + (1 + 1) is 1e16 + 2; the last pair is -1e16 + 3, rounded to -1e16 + 4.
  CHECK(add_up(plan, {24}, all).loss == 6.0 / (6 * 4));
}

TEST_CASE("losses of a step: each is divided by its own count, and their sum is trained") {
  const TrainingPlan plan = three_data_ranks();
  const std::vector<RankResults> all = {done(0, {1, 10, 2, 20}), done(1, {3, 30, 4, 40}),
                                        done(2, {5, 50, 6, 60})};
  const StepReduction sums = add_up(plan, {7, 6}, all);
  CHECK(sums.losses == std::vector{21.0 / 7, 210.0 / 6});
  CHECK(sums.loss == 3.0 + 35.0);
  CHECK(add_up(plan, {7, 0}, all).losses == std::vector{3.0, 0.0});  // nothing is counted
  CHECK_THROWS_WITH(add_up(plan, {1, 1, 1, 1}, {done(0, {1, 2})}),
                    "[losses] a rank has reported 2 values of 4 losses");
}

TEST_CASE("squares of a step: a value that is not finite is named") {
  const TrainingPlan plan = three_data_ranks();
  std::vector<RankResults> all = {done(0, {1, 1}, {{0, to_wire(9.0)}, {2, to_wire(16.0)}})};
  CHECK(add_up(plan, {24}, all).squared_norm == 25);
  CHECK(add_up(plan, {24}, all).not_finite.empty());
  all[0].squares[1].square = to_wire(std::numeric_limits<double>::infinity());
  const std::string name = plan.model.parameters().at(2).name;
  CHECK(add_up(plan, {24}, all).not_finite == "the gradient of " + name + " is not finite");
  all[0].losses[0] = to_wire(std::nan(""));
  CHECK(add_up(plan, {24}, all).not_finite ==
        "the loss is nan, the gradient of " + name + " is not finite");
}

}  // namespace stagecraft
