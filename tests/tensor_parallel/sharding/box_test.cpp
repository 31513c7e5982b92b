// Blocks of a box: their elements follow each other as the box's do.
#include "tensor_parallel/sharding/box.h"

#include <catch2/catch.hpp>

namespace stagecraft {
namespace {

/// The positions of a box's elements in a tensor, in row-major order.
std::vector<std::int64_t> positions(const Box& box, const Shape& shape) {
  std::vector<std::int64_t> all;
  for (const ElementRun& run : runs_of(box, shape)) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      all.push_back(run.begin + i);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the blocks of a box have its elements in their order, and keep to the size") {
  const Shape shape{1, 7, 5, 2};
  for (const Box& box : {whole_box(shape), Box{{0, 2, 1, 0}, {1, 7, 4, 2}},
                         Box{{0, 3, 0, 0}, {1, 4, 5, 2}}, Box{{0, 3, 3, 0}, {1, 3, 5, 2}}}) {
    for (const std::int64_t most : {1, 10, 23, 1000}) {
      std::vector<std::int64_t> joined;
      for (const Box& block : blocks_of(box, most)) {
        const std::vector<std::int64_t> part = positions(block, shape);
        joined.insert(joined.end(), part.begin(), part.end());
        CHECK(elements_of(block.shape()) <= std::max<std::int64_t>(most, 10));
      }
      CHECK(joined == positions(box, shape));
    }
  }
  CHECK(blocks_of(whole_box({7, 10}), 20).size() == 4);
  CHECK(blocks_of(whole_box({7, 10}), 70).size() == 1);
}

}  // namespace stagecraft
