// The sums of a step and of an evaluation: the order of arrival does not change them.
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
  CHECK(add_up(plan, all).loss == 6.0 / (6 * 4));
}

TEST_CASE("squares of a step: a value that is not finite is named") {
  const TrainingPlan plan = three_data_ranks();
  std::vector<RankResults> all = {done(0, {1, 1}, {{0, to_wire(9.0)}, {2, to_wire(16.0)}})};
  CHECK(add_up(plan, all).squared_norm == 25);
  CHECK(add_up(plan, all).not_finite.empty());
  all[0].squares[1].square = to_wire(std::numeric_limits<double>::infinity());
  const std::string name = plan.model.parameters().at(2).name;
  CHECK(add_up(plan, all).not_finite == "the gradient of " + name + " is not finite");
  all[0].losses[0] = to_wire(std::nan(""));
  CHECK(add_up(plan, all).not_finite ==
        "the loss is nan, the gradient of " + name + " is not finite");
}

TEST_CASE("the sum of an evaluation's losses does not depend on the order of its batches") {
  const std::vector<std::vector<RankResults>> batches = {{done(0, {kLarge, 1}), done(1, {1})},
                                                         {done(0, {}), done(1, {-kLarge})}};
  EvaluationLosses forth(2);
  EvaluationLosses back(2);
  CHECK_FALSE(forth.add(0, batches[0]));
  CHECK(forth.add(1, batches[1]));
  CHECK_FALSE(back.add(1, batches[1]));
  CHECK(back.add(0, batches[0]));
  CHECK(forth.sum() == 0);  // each 1 is rounded away beside 1e16
  CHECK(back.sum() == 0);
}

TEST_CASE("an evaluation refuses a batch that it does not have, and one that comes twice") {
  EvaluationLosses losses(2);
  CHECK_FALSE(losses.add(1, {done(0, {2.5})}));
  CHECK_THROWS_WITH(losses.add(1, {done(0, {2.5})}), "[evaluation] batch 1 was reported twice");
  CHECK_THROWS_WITH(losses.add(2, {done(0, {2.5})}), "[evaluation] there is no batch 2 of 2");
  CHECK(losses.add(0, {done(0, {2.5})}));
}

}  // namespace stagecraft
