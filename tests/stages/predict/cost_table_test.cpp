#include "stages/predict/cost_table.h"

#include <catch2/catch.hpp>
#include <limits>

namespace stagecraft {
namespace {

TEST_CASE("B costs what its halves cost unless it has a cost of its own") {
  CostTable costs{.chunks = {{.backward_input = 2, .backward_weight = 3}}};
  CHECK(cost_of(costs, Op::backward, 0) == 5);
  set_cost(costs, Op::backward, 0, 4);
  CHECK(cost_of(costs, Op::backward, 0) == 4);
  CHECK(cost_of(costs, Op::backward_input, 0) == 2);
}

TEST_CASE("a cost is that of its op and, for compute, of its chunk") {
  CostTable costs{.chunks = {{}, {}}};
  double value = 10;
  for (const OpTraits& each : kOpTraits) {
    set_cost(costs, each.op, 1, ++value);
    CHECK(cost_of(costs, each.op, 1) == value);
    CHECK((cost_of(costs, each.op, 0) == value) == !is_compute(each.op));
  }
  CHECK(costs.chunks[1].forward == 11);
  CHECK(costs.chunks[1].backward == 12);
  CHECK(costs.chunks[1].backward_input == 13);
  CHECK(costs.chunks[1].backward_weight == 14);
  CHECK(costs.transfer == 18);  // the last of the four that share it
  CHECK(costs.reduce_tied == 19);
  CHECK(costs.reduce_data == 20);
  CHECK(costs.reduce_tied_data == 21);
  CHECK(costs.optimizer == 22);
}

TEST_CASE("a transfer occupies no stage") {
  const CostTable costs{.transfer = 3, .optimizer = 2};
  CHECK(duration_of(costs, {Op::send_activation, 0, 0}) == 0);
  CHECK(duration_of(costs, {Op::receive_gradient, 0, 0}) == 0);
  CHECK(duration_of(costs, {Op::optimizer, 0, 0}) == 2);
}

TEST_CASE("one row of costs is for every chunk") {
  const CostTable costs{.chunks = {{.forward = 7}}};
  CHECK(cost_of(costs, Op::forward, 5) == 7);
}

TEST_CASE("costs that cannot be are refused, whichever op they are of") {
  for (const OpTraits& each : kOpTraits) {
    for (const double wrong : {-1.0, std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()}) {
      CostTable costs{.chunks = {{}, {}}};
      check_costs(costs, 2);
      set_cost(costs, each.op, 1, wrong);
      CHECK_THROWS_WITH(check_costs(costs, 2), Catch::Matchers::Contains("negative or not finite"));
    }
  }
  CHECK_THROWS_WITH(check_costs({.chunks = {{}, {}}}, 3),
                    Catch::Matchers::Contains("lists 2 chunks, and the program has 3"));
  CHECK_THROWS_WITH(check_costs({.slots = 0}, 3), Catch::Matchers::Contains("no slots"));
}

}  // namespace
}  // namespace stagecraft
