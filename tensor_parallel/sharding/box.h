// Boxes of tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/core/tensor.h"

namespace stagecraft {

/// The elements of a tensor whose index in every dimension d is begin[d] .. end[d] - 1.
struct Box {
  Shape begin;
  Shape end;
  Shape shape() const;
  friend bool operator==(const Box&, const Box&) = default;
};

/// All of a tensor.
Box whole_box(const Shape& shape);

/// Cuts a box into boxes of at most `elements` elements where it can: along the first dimension
/// that has more than one index, so that each is at least one of these. Row-major, the elements of
/// the boxes follow each other as those of the whole.
std::vector<Box> blocks_of(const Box& box, std::int64_t elements);

/// The elements that two boxes of one tensor share, if there are any.
std::optional<Box> intersection(const Box& a, const Box& b);

/// The place of a box within a box around it: of the tensor that holds the outer one's elements.
Box within(const Box& box, const Box& outer);

/// Consecutive elements of a tensor.
struct ElementRun {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// The box's elements within a tensor of `shape`, in row-major order, as the fewest runs. All runs
/// have the same count. An empty box has none.
std::vector<ElementRun> runs_of(const Box& box, const Shape& shape);

/// From the first of the box's elements to the last, within a tensor of `shape`. The box is not
/// empty.
ElementRun hull_of(const Box& box, const Shape& shape);

}  // namespace stagecraft
