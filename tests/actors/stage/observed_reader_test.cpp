// A piece that is read block by block has the values of one that is read at once.
#include "actors/stage/observed_reader.h"

#include <catch2/catch.hpp>
#include <vector>

namespace stagecraft {
namespace {

/// Element i of a parameter is i. Notes the largest block.
class Counting : public StateReader {
 public:
  void read(const StatePiece& piece, std::span<float> values) const override {
    largest = std::max(largest, static_cast<std::int64_t>(values.size()));
    std::size_t at = 0;
    for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        values[at++] = static_cast<float>((run.begin + i) % (1 << 24));
      }
    }
  }
  mutable std::int64_t largest = 0;
};

void check(const Shape& shape, const Box& box, int blocks) {
  const ParameterSpec spec{"p", shape, {}, {}};
  const auto count = static_cast<std::size_t>(elements_of(box.shape()));
  std::vector<float> whole(count);
  std::vector<float> cut(count);
  Counting().read({spec, StateKind::weight, box}, whole);
  int calls = 0;
  const Counting counting;
  ObservedReader(counting, [&] { ++calls; }).read({spec, StateKind::weight, box}, cut);
  CHECK((cut == whole));
  CHECK(calls == blocks);
  CHECK(counting.largest <= ObservedReader::kBlockElements);
}

}  // namespace

TEST_CASE("reading a large piece is progress again and again, and gives the same values") {
  constexpr std::int64_t kBlock = ObservedReader::kBlockElements;
  check({7, 5}, whole_box({7, 5}), 1);
  check({2 * kBlock + 1}, whole_box({2 * kBlock + 1}), 3);
  check({1, kBlock + 3}, whole_box({1, kBlock + 3}), 2);
  check({9000, 1000}, whole_box({9000, 1000}), 3);
  check({9000, 1200}, {{3, 100}, {9000, 1100}}, 3);
}

}  // namespace stagecraft
