#include "tensor_parallel/sharding/box.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// How many of the last dimensions one run covers: the box spans all of them but the first.
std::size_t dimensions_of_a_run(const Shape& box, const Shape& shape) {
  std::size_t count = 0;
  while (count < shape.size()) {
    ++count;
    const std::size_t dimension = shape.size() - count;
    if (box[dimension] != shape[dimension]) {
      break;
    }
  }
  return count;
}

/// Moves `index` to the box's next index in the first `dimensions` dimensions; false after the
/// last.
bool advance(Shape& index, const Box& box, std::size_t dimensions) {
  for (std::size_t d = dimensions; d-- > 0;) {
    if (++index[d] < box.end[d]) {
      return true;
    }
    index[d] = box.begin[d];
  }
  return false;
}

std::int64_t position_of(const Shape& index, const Shape& shape) {
  std::int64_t position = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    position = position * shape[d] + index[d];
  }
  return position;
}

}  // namespace

Shape Box::shape() const {
  Shape sizes;
  for (std::size_t d = 0; d < begin.size(); ++d) {
    sizes.push_back(end[d] - begin[d]);
  }
  return sizes;
}

Box whole_box(const Shape& shape) { return {Shape(shape.size(), 0), shape}; }

std::vector<Box> blocks_of(const Box& box, std::int64_t elements) {
  const Shape sizes = box.shape();
  const auto cut = std::ranges::find_if(sizes, [](std::int64_t size) { return size > 1; });
  if (elements_of(sizes) <= elements || cut == sizes.end()) {
    return {box};
  }
  const auto dimension = static_cast<std::size_t>(cut - sizes.begin());
  const std::int64_t slice = elements_of(sizes) / sizes[dimension];
  const std::int64_t step = std::max<std::int64_t>(1, elements / slice);
  std::vector<Box> blocks;
  for (std::int64_t at = box.begin[dimension]; at < box.end[dimension]; at += step) {
    blocks.push_back(box);
    blocks.back().begin[dimension] = at;
    blocks.back().end[dimension] = std::min(at + step, box.end[dimension]);
  }
  return blocks;
}

std::optional<Box> intersection(const Box& a, const Box& b) {
  Box common = a;
  for (std::size_t d = 0; d < a.begin.size(); ++d) {
    common.begin[d] = std::max(a.begin[d], b.begin[d]);
    common.end[d] = std::min(a.end[d], b.end[d]);
    if (common.begin[d] >= common.end[d]) {
      return {};
    }
  }
  return common;
}

Box within(const Box& box, const Box& outer) {
  Box place = box;
  for (std::size_t d = 0; d < box.begin.size(); ++d) {
    place.begin[d] -= outer.begin[d];
    place.end[d] -= outer.begin[d];
  }
  return place;
}

std::vector<ElementRun> runs_of(const Box& box, const Shape& shape) {
  require(box.begin.size() == shape.size(), "runs_of", "a box of {} dimensions in a tensor {}",
          box.begin.size(), shape);
  const Shape sizes = box.shape();
  const std::int64_t elements = elements_of(sizes);
  if (elements == 0) {
    return {};
  }
  const std::size_t outer = shape.size() - dimensions_of_a_run(sizes, shape);
  const std::int64_t count =
      elements_of(Shape(sizes.begin() + static_cast<std::ptrdiff_t>(outer), sizes.end()));
  std::vector<ElementRun> runs;
  runs.reserve(static_cast<std::size_t>(elements / count));
  Shape index = box.begin;
  do {
    runs.push_back({position_of(index, shape), count});
  } while (advance(index, box, outer));
  return runs;
}

ElementRun hull_of(const Box& box, const Shape& shape) {
  Shape last = box.end;
  std::ranges::for_each(last, [](std::int64_t& index) { --index; });
  const std::int64_t begin = position_of(box.begin, shape);
  return {begin, position_of(last, shape) + 1 - begin};
}

}  // namespace stagecraft
