#include "tensor_parallel/sharding/rank_tree.h"

#include <catch2/catch.hpp>
#include <set>

namespace stagecraft {
namespace {

int depth_of(int rank) { return rank == 0 ? 0 : 1 + depth_of(tree_parent(rank)); }

/// The ranks below `rank`, by its children alone.
void collect(int rank, int size, std::multiset<int>& found) {
  found.insert(rank);
  for (const int child : tree_children(rank, size)) {
    collect(child, size, found);
  }
}

TEST_CASE("the rank tree reaches every rank once, by links that both ends know") {
  for (const int size : {1, 2, 3, 4, 5, 7, 8, 9, 64, 100, 4096}) {
    std::multiset<int> found;
    collect(0, size, found);
    REQUIRE(found.size() == static_cast<std::size_t>(size));
    for (int rank = 0; rank < size; ++rank) {
      CHECK(found.count(rank) == 1);
      for (const int child : tree_children(rank, size)) {
        CHECK(tree_parent(child) == rank);
      }
    }
  }
}

TEST_CASE("the rank tree of n ranks is at most log2 n deep, rounded up") {
  for (const auto& [size, deepest] :
       {std::pair{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {8, 3}, {64, 6}, {100, 7}, {4096, 12}}) {
    for (int rank = 0; rank < size; ++rank) {
      REQUIRE(depth_of(rank) <= deepest);
    }
  }
}

TEST_CASE("the subtree of a rank is a range that ends at tree_end") {
  for (const int size : {1, 6, 8, 13}) {
    for (int rank = 0; rank < size; ++rank) {
      std::multiset<int> below;
      collect(rank, size, below);
      REQUIRE(*below.begin() == rank);
      CHECK(*below.rbegin() == tree_end(rank, size) - 1);
      CHECK(static_cast<int>(below.size()) == tree_end(rank, size) - rank);
    }
  }
}

}  // namespace
}  // namespace stagecraft
