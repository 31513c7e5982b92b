#include "tensor_parallel/sharding/mesh.h"

#include <catch2/catch.hpp>
#include <set>

namespace stagecraft {

TEST_CASE("ranks are numbered along tensor, then data, then pipeline") {
  const MeshShape shape{.pipeline = 3, .tensor = 2, .data = 4};
  CHECK(shape.ranks() == 24);
  CHECK(rank_at(shape, {.pipeline = 0, .tensor = 1, .data = 0}) == 1);
  CHECK(rank_at(shape, {.pipeline = 0, .tensor = 0, .data = 1}) == 2);
  CHECK(rank_at(shape, {.pipeline = 1, .tensor = 0, .data = 0}) == 8);
  CHECK(rank_at(shape, {.pipeline = 2, .tensor = 1, .data = 3}) == 23);
}

TEST_CASE("mesh coordinates and ranks are one to one") {
  const MeshShape shape{
      .pipeline = GENERATE(1, 2, 3), .tensor = GENERATE(1, 2, 4), .data = GENERATE(1, 3)};
  std::set<int> ranks;
  for (int pipeline = 0; pipeline < shape.pipeline; ++pipeline) {
    for (int data = 0; data < shape.data; ++data) {
      for (int tensor = 0; tensor < shape.tensor; ++tensor) {
        const MeshCoordinate coordinate{.pipeline = pipeline, .tensor = tensor, .data = data};
        const int rank = rank_at(shape, coordinate);
        CHECK(coordinate_of(shape, rank) == coordinate);
        CHECK(rank >= 0);
        CHECK(rank < shape.ranks());
        ranks.insert(rank);
      }
    }
  }
  CHECK(static_cast<int>(ranks.size()) == shape.ranks());
}

}  // namespace stagecraft
