#include "tensor_parallel/sharding/reduction_tree.h"

#include <catch2/catch.hpp>
#include <string>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// The sum as text with parentheses.
std::string sum_of(int parts) {
  std::vector<std::string> terms;
  for (int part = 0; part < parts; ++part) {
    terms.push_back(std::to_string(part));
  }
  for (const auto [into, from] : reduction_tree(parts)) {
    terms.at(into) = "(" + terms.at(into) + "+" + terms.at(from) + ")";
    terms.at(from) = "gone";
  }
  return terms.front();
}

}  // namespace

TEST_CASE("neighbours are added and an odd last part moves up") {
  CHECK(sum_of(1) == "0");
  CHECK(sum_of(2) == "(0+1)");
  CHECK(sum_of(3) == "((0+1)+2)");
  CHECK(sum_of(4) == "((0+1)+(2+3))");
  CHECK(sum_of(5) == "(((0+1)+(2+3))+4)");
  CHECK(sum_of(6) == "(((0+1)+(2+3))+(4+5))");
  CHECK(sum_of(7) == "(((0+1)+(2+3))+((4+5)+6))");
  CHECK(sum_of(8) == "(((0+1)+(2+3))+((4+5)+(6+7)))");
}

TEST_CASE("a tree of trees over equal blocks is the tree of all, if the blocks are powers of two") {
  // Ranks with two canonical shards each: the inner joins come first, then those between ranks.
  const auto whole = reduction_tree(8);
  const auto between = reduction_tree(4);
  REQUIRE(whole.size() == 7);
  for (std::size_t i = 0; i < between.size(); ++i) {
    CHECK(whole.at(4 + i) == TreeNode{2 * between.at(i).into, 2 * between.at(i).from});
  }
}

TEST_CASE("a tree of no parts is an error") { CHECK_THROWS_AS(reduction_tree(0), Error); }

}  // namespace stagecraft
