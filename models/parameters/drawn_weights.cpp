#include "models/parameters/drawn_weights.h"

#include <algorithm>
#include <vector>

#include "kernels/base/host_ranges.h"
#include "kernels/base/random.h"

namespace stagecraft {
namespace {

/// Elements `first` and on of a whole parameter.
void fill(const Initializer& initial, const RandomCoordinate& coordinate, std::int64_t first,
          std::span<float> out) {
  switch (initial.kind) {
    case Initializer::Kind::zeros:
      std::fill(out.begin(), out.end(), 0.0F);
      break;
    case Initializer::Kind::ones:
      std::fill(out.begin(), out.end(), 1.0F);
      break;
    case Initializer::Kind::normal:
      fill_normal(coordinate, static_cast<std::uint64_t>(first), out.size(), initial.deviation,
                  out.data());
      break;
  }
}

/// Elements `begin` and on of a box with these runs.
void fill_range(const Initializer& initial, const RandomCoordinate& coordinate,
                std::span<const ElementRun> runs, std::int64_t begin, std::span<float> out) {
  const std::int64_t width = runs.front().count;
  while (!out.empty()) {
    const std::int64_t inside = begin % width;
    const std::int64_t count = std::min(width - inside, static_cast<std::int64_t>(out.size()));
    fill(initial, coordinate, runs[static_cast<std::size_t>(begin / width)].begin + inside,
         out.first(static_cast<std::size_t>(count)));
    out = out.subspan(static_cast<std::size_t>(count));
    begin += count;
  }
}

}  // namespace

void DrawnWeights::read(const StatePiece& piece, std::span<float> values) const {
  constexpr std::int64_t kBlock = 1 << 16;  // elements: about a millisecond
  const ParameterSpec& spec = piece.parameter;
  require(piece.kind == StateKind::weight, "DrawnWeights", "{} has no moments to draw", spec.name);
  const RandomCoordinate coordinate{.key = random_key(seed_, spec.name)};
  const std::vector<ElementRun> runs = runs_of(piece.box, spec.shape);
  for_each_host_range(static_cast<std::int64_t>(values.size()), kBlock, threads_,
                      [&](std::int64_t begin, std::int64_t end) {
                        fill_range(spec.initial, coordinate, runs, begin,
                                   values.subspan(static_cast<std::size_t>(begin),
                                                  static_cast<std::size_t>(end - begin)));
                      });
}

}  // namespace stagecraft
