#include "tensor_parallel/sharding/shard_spec.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/tensor_parallel/sharding/shard_runs.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::shard_runs;
using test::ShardRun;

std::vector<int> numbered(const Shape& shape) {
  std::vector<int> values(static_cast<std::size_t>(elements_of(shape)));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

/// The global index of every local element, from the boxes; padding is -1.
std::vector<int> local_part(const Shape& global, const ShardSpec& spec, int rank, int ranks) {
  const std::vector<int> whole = numbered(global);
  std::vector<int> local(elements_of(local_shape(global, spec, rank, ranks)), -1);
  for (const ShardRun& run : shard_runs(global, spec, rank, ranks)) {
    CHECK(run.count > 0);
    for (std::int64_t i = 0; i < run.count; ++i) {
      CHECK(local.at(run.local_begin + i) == -1);
      local.at(run.local_begin + i) = whole.at(run.global_begin + i);
    }
  }
  return local;
}

/// Checks that the boxes of all ranks contain every element of the global tensor exactly once.
void check_covers(const Shape& global, const ShardSpec& spec, int ranks) {
  std::vector<int> seen(elements_of(global), 0);
  for (int rank = 0; rank < ranks; ++rank) {
    for (const int element : local_part(global, spec, rank, ranks)) {
      if (element >= 0) {
        ++seen.at(element);
      }
    }
  }
  CHECK(seen == std::vector<int>(elements_of(global), 1));
}

}  // namespace

TEST_CASE("the boxes of all ranks cover the global tensor once") {
  const int ranks = GENERATE(1, 2, 3, 4);
  const Shape groups = GENERATE(Shape{}, Shape{24, 24, 24}, Shape{48, 24});
  const ShardSpec rows{.dimension = 0, .shards = ranks, .groups = groups};
  const ShardSpec columns{.dimension = 1, .shards = ranks, .groups = groups};
  CHECK(local_shape({72}, rows, 0, ranks) == Shape{72 / ranks});
  CHECK(local_shape({5, 72}, columns, ranks - 1, ranks) == Shape{5, 72 / ranks});
  const auto twice = [&](ShardSpec spec) {
    spec.shards *= 2;
    return spec;
  };
  CHECK(local_shape({5, 72}, twice(columns), 0, ranks) == Shape{2, 5, 36 / ranks});
  check_covers({72, 5}, twice(rows), ranks);
  check_covers({5, 72, 3}, twice(columns), ranks);
  check_covers({72}, rows, ranks);
  check_covers({72, 5}, rows, ranks);
  check_covers({5, 72}, columns, ranks);
  check_covers({5, 72, 3}, columns, ranks);
}

TEST_CASE("a rank has its shard of each of q, k and v") {
  const ShardSpec spec{.dimension = 1, .shards = 2, .groups = {4, 4, 4}};
  // One row is q0 q1 q2 q3 | k0 .. k3 | v0 .. v3.
  CHECK(local_part({2, 12}, spec, 0, 2) ==
        std::vector<int>{0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21});
  CHECK(local_part({2, 12}, spec, 1, 2) ==
        std::vector<int>{2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23});
}

TEST_CASE("the groups may have unequal widths: 8, 2, 2 heads of one column") {
  const ShardSpec spec{.dimension = 1, .shards = 2, .groups = {8, 2, 2}};
  CHECK(local_part({1, 12}, spec, 0, 2) == std::vector<int>{0, 1, 2, 3, 8, 10});
  CHECK(local_part({1, 12}, spec, 1, 2) == std::vector<int>{4, 5, 6, 7, 9, 11});
  CHECK(local_part({1, 12}, {.dimension = 1, .shards = 1, .groups = {8, 2, 2}}, 0, 1) ==
        numbered({1, 12}));
}

TEST_CASE("a rank's shards lie one after the other, each as a rank of its own holds it") {
  const Shape groups = GENERATE(Shape{}, Shape{8, 8, 8}, Shape{16, 4, 4});
  const int dimension = GENERATE(0, 1);
  const Shape global = dimension == 0 ? Shape{24, 3} : Shape{3, 24};
  const ShardSpec spec{.dimension = dimension, .shards = 4, .groups = groups};
  for (const int ranks : {1, 2}) {
    for (int rank = 0; rank < ranks; ++rank) {
      std::vector<int> shards;
      for (int shard = 4 / ranks * rank; shard < 4 / ranks * (rank + 1); ++shard) {
        const std::vector<int> part = local_part(global, spec, shard, 4);
        shards.insert(shards.end(), part.begin(), part.end());
      }
      CAPTURE(groups, dimension, ranks, rank);
      CHECK(local_part(global, spec, rank, ranks) == shards);
    }
  }
}

TEST_CASE("rows of a padded table: the last ranks hold padding, or only padding") {
  const int ranks = GENERATE(1, 2, 4);
  const ShardSpec spec{.dimension = 0, .shards = 4, .padded_size = 16};
  for (int rank = 0; rank < ranks; ++rank) {
    CHECK(elements_of(local_shape({7, 3}, spec, rank, ranks)) == 48 / ranks);
  }
  check_covers({7, 3}, spec, ranks);
  if (ranks == 4) {
    CHECK(local_part({7, 3}, spec, 1, 4) ==
          std::vector<int>{12, 13, 14, 15, 16, 17, 18, 19, 20, -1, -1, -1});
    CHECK(shard_boxes({7, 3}, spec, 2, 4).empty());
    CHECK(shard_boxes({7, 3}, spec, 3, 4).empty());
  }
}

TEST_CASE("columns of a padded matrix") {
  const ShardSpec spec{.dimension = 1, .shards = 2, .padded_size = 8};
  CHECK(local_part({2, 5}, spec, 0, 2) == std::vector<int>{0, 1, 2, 3, 5, 6, 7, 8});
  CHECK(local_part({2, 5}, spec, 1, 2) == std::vector<int>{4, -1, -1, -1, 9, -1, -1, -1});
}

TEST_CASE("a rank has one box for each shard, or one for each group that others share") {
  CHECK(shard_boxes({6, 4}, {}, 2, 3).size() == 1);
  CHECK(shard_boxes({6, 4}, {.dimension = 0, .shards = 3}, 1, 3).size() == 1);
  CHECK(shard_boxes({6, 4}, {.dimension = 1, .shards = 1, .groups = {2, 2}}, 0, 1).size() == 1);
  CHECK(shard_boxes({6, 4}, {.dimension = 1, .shards = 2}, 0, 2).size() == 1);
  CHECK(shard_boxes({6, 8}, {.dimension = 1, .shards = 2, .groups = {4, 4}}, 1, 2).size() == 2);
  CHECK(shard_boxes({6, 8}, {.dimension = 1, .shards = 4, .groups = {4, 4}}, 1, 2).size() == 4);
  CHECK(shard_boxes({0, 4}, {}, 0, 1).empty());
}

TEST_CASE("consecutive elements of a box are one run") {
  const Shape shape{3, 4, 5};
  const auto runs = [&](const Box& box) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    for (const ElementRun& run : runs_of(box, shape)) {
      all.emplace_back(run.begin, run.count);
    }
    return all;
  };
  using Runs = std::vector<std::pair<std::int64_t, std::int64_t>>;
  CHECK(runs(whole_box(shape)) == Runs{{0, 60}});
  CHECK(runs({{1, 0, 0}, {3, 4, 5}}) == Runs{{20, 40}});
  CHECK(runs({{1, 1, 0}, {2, 3, 5}}) == Runs{{25, 10}});
  CHECK(runs({{0, 1, 0}, {2, 3, 5}}) == Runs{{5, 10}, {25, 10}});
  CHECK(runs({{0, 1, 2}, {2, 3, 4}}) == Runs{{7, 2}, {12, 2}, {27, 2}, {32, 2}});
  CHECK(runs({{0, 1, 2}, {2, 1, 4}}).empty());
  CHECK(runs_of(whole_box({}), {}).size() == 1);
  CHECK_THROWS_AS(runs_of(whole_box({3}), shape), Error);
}

TEST_CASE("a replicated tensor is whole on every rank") {
  CHECK(local_shape({2, 3, 4}, {}, 1, 3) == Shape{2, 3, 4});
  CHECK(local_part({2, 3}, {}, 1, 3) == numbered({2, 3}));
}

TEST_CASE("sizes that do not divide are errors") {
  CHECK_THROWS_AS(local_shape({10}, {.dimension = 0, .shards = 4}, 0, 2), Error);
  CHECK_THROWS_AS(local_shape({12}, {.dimension = 0, .shards = 3}, 0, 2), Error);
  CHECK_THROWS_WITH(local_shape({8}, {.dimension = 0, .shards = 4, .groups = {4, 2, 2}}, 0, 2),
                    Contains("a group of 2 in dimension 0 of [8] does not divide into 4 shards"));
  CHECK_THROWS_WITH(local_shape({8}, {.dimension = 0, .shards = 2, .groups = {4, 2}}, 0, 2),
                    Contains("[4, 2] do not add up to dimension 0 of [8]"));
  CHECK_THROWS_AS(local_shape({8}, {.dimension = 1, .shards = 2}, 0, 2), Error);
  CHECK_THROWS_AS(local_shape({8}, {.dimension = 0, .shards = 2}, 2, 2), Error);
  CHECK_THROWS_AS(local_shape({8}, {.dimension = 0, .shards = 2, .padded_size = 4}, 0, 2), Error);
  CHECK_THROWS_AS(
      local_shape({8}, {.dimension = 0, .shards = 2, .groups = {4, 4}, .padded_size = 12}, 0, 2),
      Error);
  CHECK_THROWS_AS(shard_boxes({8}, {.dimension = 1, .shards = 2}, 0, 2), Error);
}

}  // namespace stagecraft
