#include "models/parameters/box_values.h"

#include <algorithm>

namespace stagecraft {
namespace {

/// Calls f(element of the hull, element of the box, count) for each run.
template <typename F>
void for_each_run(const Box& box, const Shape& shape, F f) {
  const std::vector<ElementRun> runs = runs_of(box, shape);
  std::size_t done = 0;
  for (const ElementRun& run : runs) {
    const auto count = static_cast<std::size_t>(run.count);
    f(static_cast<std::size_t>(run.begin - runs.front().begin), done, count);
    done += count;
  }
}

}  // namespace

void gather_box(std::span<const float> hull, const Box& box, const Shape& shape,
                std::span<float> to) {
  for_each_run(box, shape, [&](std::size_t in_hull, std::size_t in_box, std::size_t count) {
    std::ranges::copy(hull.subspan(in_hull, count), to.subspan(in_box, count).begin());
  });
}

void scatter_box(std::span<const float> from, const Box& box, const Shape& shape,
                 std::span<float> hull) {
  for_each_run(box, shape, [&](std::size_t in_hull, std::size_t in_box, std::size_t count) {
    std::ranges::copy(from.subspan(in_box, count), hull.subspan(in_hull, count).begin());
  });
}

}  // namespace stagecraft
