// Which data rank saves which part of a parameter.
#include "models/parameters/saved_boxes.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace stagecraft {
namespace {

struct Case {
  Shape shape;
  ShardSpec spec;
};

/// Smaller and larger than what is cut, cut over tensor ranks in every way, padded, few rows.
std::vector<Case> cases() {
  return {{{12, 5}, {0, 4}},
          {{1030, 70}, {0, 4, {}, 1040}},
          {{300, 960}, {1, 4, {640, 160, 160}}},
          {{300, 840}, {1, 4}},
          {{70000}, {}},
          {{3, 40000}, {}},
          {{1, 1, 70000}, {}},
          {{1}, {}},
          {{960}, {0, 4, {320, 320, 320}}},
          {{2, 300, 240}, {1, 4}}};
}

/// How often the ranks together save each element of the whole tensor.
std::vector<int> saves_of(const Case& c, std::int64_t parameter, int tensor_ranks, int data_ranks) {
  std::vector<int> saves(static_cast<std::size_t>(elements_of(c.shape)));
  for (int tensor = 0; tensor < (c.spec.replicated() ? 1 : tensor_ranks); ++tensor) {
    const std::vector<ShardBox> boxes = shard_boxes(c.shape, c.spec, tensor, tensor_ranks);
    for (int data = 0; data < data_ranks; ++data) {
      for (const ShardBox& box : saved_boxes(boxes, parameter, data, data_ranks)) {
        CHECK(elements_of(box.global.shape()) == elements_of(box.local.shape()));
        for (const ElementRun& run : runs_of(box.global, c.shape)) {
          for (std::int64_t i = run.begin; i < run.begin + run.count; ++i) {
            ++saves.at(static_cast<std::size_t>(i));
          }
        }
      }
    }
  }
  return saves;
}

std::int64_t elements_in(const std::vector<ShardBox>& boxes) {
  return std::accumulate(
      boxes.begin(), boxes.end(), std::int64_t{0},
      [](std::int64_t sum, const ShardBox& box) { return sum + elements_of(box.global.shape()); });
}

TEST_CASE("of all ranks, one saves each element") {
  for (const Case& c : cases()) {
    for (const int tensor_ranks : {1, 2, 4}) {
      for (const int data_ranks : {1, 2, 3, 8}) {
        for (const std::int64_t parameter : {0, 5}) {
          CAPTURE(c.shape, c.spec.dimension, tensor_ranks, data_ranks, parameter);
          const std::vector<int> saves = saves_of(c, parameter, tensor_ranks, data_ranks);
          CHECK(saves == std::vector<int>(saves.size(), 1));
        }
      }
    }
  }
}

TEST_CASE("the local boxes are those of the same elements") {
  const Shape shape = {300, 960};
  const ShardSpec spec{1, 4, {320, 320, 320}};
  for (int tensor = 0; tensor < 2; ++tensor) {
    for (const ShardBox& whole : shard_boxes(shape, spec, tensor, 2)) {
      for (int data = 0; data < 3; ++data) {
        for (const ShardBox& part : saved_boxes({whole}, 0, data, 3)) {
          for (std::size_t d = 0; d < 2; ++d) {
            const std::size_t local = d + 1;  // behind the shard
            CHECK(part.global.begin[d] - whole.global.begin[d] ==
                  part.local.begin[local] - whole.local.begin[local]);
          }
        }
      }
    }
  }
}

TEST_CASE("a small box has one saver, a large one is shared evenly, and both rotate") {
  const std::vector<ShardBox> small = shard_boxes({65535}, {}, 0, 1);
  const std::vector<ShardBox> large = shard_boxes({1000, 100}, {}, 0, 1);
  for (std::int64_t parameter = 0; parameter < 7; ++parameter) {
    for (int rank = 0; rank < 3; ++rank) {
      CAPTURE(parameter, rank);
      CHECK(elements_in(saved_boxes(small, parameter, rank, 3)) ==
            (rank == parameter % 3 ? 65535 : 0));
      const std::vector<ShardBox> part = saved_boxes(large, parameter, rank, 3);
      REQUIRE(part.size() == 1);
      CHECK(elements_in(part) / 100 >= 333);
      CHECK((part.front().global.begin[0] == 0) == (rank == parameter % 3));
    }
  }
}

TEST_CASE("a piece is handed over in at most 1 GiB") {
  const std::vector<ShardBox> boxes = shard_boxes({1 << 16, 1 << 14}, {}, 0, 1);
  const std::vector<ShardBox> pieces = saved_boxes(boxes, 0, 0, 1);
  CHECK(pieces.size() == 4);
  CHECK(elements_in(pieces) == std::int64_t{1} << 30);
  for (const ShardBox& piece : pieces) {
    CHECK(elements_in({piece}) <= kMaxPieceElements);
  }
}

TEST_CASE("hulls cover the boxes, and those that meet are one") {
  const Shape shape = {300, 960};
  CHECK(hulls_of({}, shape).empty());
  const std::vector<ShardBox> groups =
      shard_boxes(shape, {1, 2, {320, 320, 320}}, 0, 2);  // q | k | v
  REQUIRE(groups.size() == 3);
  const Shape local = {300, 480};
  const auto whole = hulls_of(groups, local);
  REQUIRE(whole.size() == 1);
  CHECK(whole.front().begin == 0);
  CHECK(whole.front().count == 300 * 480);
  // Rows 0 and 2 of a column range: from the first to the last element of each.
  const auto apart = hulls_of({{{}, {{2, 8}, {3, 16}}}, {{}, {{0, 8}, {1, 16}}}}, local);
  REQUIRE(apart.size() == 2);
  CHECK(apart[0].begin == 8);
  CHECK(apart[0].count == 8);
  CHECK(apart[1].begin == 2 * 480 + 8);
}

TEST_CASE("a rank that is none of the ranks saves nothing: it is an error") {
  CHECK_THROWS_AS(saved_boxes({}, 0, 2, 2), Error);
}

}  // namespace
}  // namespace stagecraft
