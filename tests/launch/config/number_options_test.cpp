#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "launch/config/cost_option.h"
#include "launch/config/memory_option.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("costs of instructions") {
  const CostTable costs = parse_cost_option("F=1.5,W=[1,2,3],B=4,transfer=0.25,T=5,D=6,U=7", 3);
  REQUIRE(costs.chunks.size() == 3);
  CHECK(costs.chunks[2].forward == 1.5);
  CHECK(costs.chunks[2].backward_input == 1);
  CHECK(costs.chunks[1].backward_weight == 2);
  CHECK(costs.chunks[2].backward_weight == 3);
  CHECK(costs.chunks[0].backward == 4.0);
  CHECK(costs.transfer == 0.25);
  CHECK(costs.reduce_tied == 5);
  CHECK(costs.reduce_data == 6);
  CHECK(costs.optimizer == 7);
  CHECK_FALSE(parse_cost_option("", 2).chunks[1].backward.has_value());
}

TEST_CASE("wrong costs are named with the remedy") {
  CHECK_THROWS_WITH(parse_cost_option("F=1,X=2", 1), Contains("\"X\"") && Contains("F, B, I, W"));
  for (const char* syntax : {"F", "F=", "F=1x", "F=1,F=2", "F=1,", "F=1:2", "F=1}"}) {
    CHECK_THROWS_WITH(parse_cost_option(syntax, 1),
                      Contains("cannot be read") && Contains("NAME=NUMBER"));
  }
  for (const char* value : {"F=-1", "F=nan", "F=inf", "F='1'", "F=true", "F=[1,'a']"}) {
    CHECK_THROWS_WITH(parse_cost_option(value, 2), Contains("F has a value that is no number"));
  }
  CHECK_THROWS_WITH(parse_cost_option("F=[]", 1), Contains("empty list"));
  CHECK_THROWS_WITH(parse_cost_option("F=[1,2]", 3), Contains("2 numbers for 3 chunks"));
  CHECK_THROWS_WITH(parse_cost_option("T=[1,2]", 2), Contains("T has 2 numbers; write one"));
}

TEST_CASE("memory of stages") {
  const Limits limits = parse_memory_option(
      "stash=[100,200],weight_stash=60,tensor=1,stage=[7,8,9],limit=1560", 2, 3);
  REQUIRE(limits.chunk_bytes.size() == 2);
  CHECK(limits.chunk_bytes[0].stash == 100);
  CHECK(limits.chunk_bytes[1].stash == 200);
  CHECK(limits.chunk_bytes[1].weight_stash == 60);
  CHECK(limits.tensor_bytes == 1);
  CHECK(limits.stage_bytes == std::vector<std::int64_t>{7, 8, 9});
  CHECK(limits.bytes == 1560);
  CHECK_FALSE(parse_memory_option("", 2, 3).bytes.has_value());
}

TEST_CASE("wrong memory is named with the remedy") {
  CHECK_THROWS_WITH(parse_memory_option("stash=1,heap=2", 1, 1),
                    Contains("\"heap\"") && Contains("limit"));
  CHECK_THROWS_WITH(parse_memory_option("limit=1.5", 1, 1), Contains("no whole number"));
  CHECK_THROWS_WITH(parse_memory_option("limit=1e300", 1, 1), Contains("no whole number"));
  CHECK_THROWS_WITH(parse_memory_option("stash=[1,2]", 3, 1), Contains("2 numbers for 3 chunks"));
  CHECK_THROWS_WITH(parse_memory_option("stage=[1,2]", 1, 3), Contains("2 numbers for 3 stages"));
}

}  // namespace
}  // namespace stagecraft
