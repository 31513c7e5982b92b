#include "models/parameters/saved_boxes.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// The first dimension with more than one index; the last one if there is none.
std::size_t cut_dimension(const Shape& shape) {
  const auto cut = std::ranges::find_if(shape, [](std::int64_t size) { return size > 1; });
  return static_cast<std::size_t>((cut == shape.end() ? cut - 1 : cut) - shape.begin());
}

Box rows_of(Box box, std::size_t dimension, std::int64_t begin, std::int64_t end) {
  box.end[dimension] = box.begin[dimension] + end;
  box.begin[dimension] += begin;
  return box;
}

/// Part `part` of `parts` equal ones. The local box may have the shard as a first dimension.
ShardBox part_of(const ShardBox& box, std::int64_t part, std::int64_t parts) {
  const std::size_t dimension = cut_dimension(box.global.shape());
  const std::size_t local = dimension + box.local.begin.size() - box.global.begin.size();
  const std::int64_t size = box.global.shape()[dimension];
  const std::int64_t begin = size * part / parts;
  const std::int64_t end = size * (part + 1) / parts;
  return {rows_of(box.global, dimension, begin, end), rows_of(box.local, local, begin, end)};
}

/// Both boxes have one shape, but for a shard's single index in front, so they are cut alike.
void append_pieces(const ShardBox& box, std::vector<ShardBox>& pieces) {
  const std::vector<Box> global = blocks_of(box.global, kMaxPieceElements);
  const std::vector<Box> local = blocks_of(box.local, kMaxPieceElements);
  for (std::size_t i = 0; i < global.size(); ++i) {
    pieces.push_back({global[i], local[i]});
  }
}

}  // namespace

std::vector<ShardBox> saved_boxes(const std::vector<ShardBox>& boxes, std::int64_t parameter,
                                  int rank, int ranks) {
  require(ranks >= 1 && 0 <= rank && rank < ranks, "saved_boxes", "rank {} is not among {} ranks",
          rank, ranks);
  const std::int64_t part = (rank + ranks - parameter % ranks) % ranks;
  std::vector<ShardBox> pieces;
  for (const ShardBox& box : boxes) {
    const bool whole = elements_of(box.global.shape()) < kMinCutElements;
    const ShardBox mine = whole ? box : part_of(box, part, ranks);
    if ((!whole || part == 0) && elements_of(mine.global.shape()) > 0) {
      append_pieces(mine, pieces);
    }
  }
  return pieces;
}

std::vector<ElementRun> hulls_of(const std::vector<ShardBox>& boxes, const Shape& shape) {
  std::vector<ElementRun> hulls;
  hulls.reserve(boxes.size());
  for (const ShardBox& box : boxes) {
    hulls.push_back(hull_of(box.local, shape));
  }
  std::ranges::sort(hulls, {}, &ElementRun::begin);
  std::vector<ElementRun> joined;
  for (const ElementRun& hull : hulls) {
    if (joined.empty() || hull.begin > joined.back().begin + joined.back().count) {
      joined.push_back(hull);
    }
    ElementRun& last = joined.back();
    last.count = std::max(last.count, hull.begin + hull.count - last.begin);
  }
  return joined;
}

}  // namespace stagecraft
