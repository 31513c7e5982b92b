#include "stages/execute/snapshot_layout.h"

#include <algorithm>

#include "models/parameters/saved_boxes.h"

namespace stagecraft {
namespace {

std::vector<ElementRange> places_of(const ParameterStore& parameters,
                                    const std::vector<SavedPart>& parts) {
  std::vector<ElementRange> places;
  for (const SavedPart& part : parts) {
    const Parameter& parameter = parameters.at(part.spec.name);
    for (const ElementRun& hull : hulls_of(part.boxes, parameter.weight.shape())) {
      const std::int64_t begin = parameter.place.begin + hull.begin;
      places.push_back({begin, begin + hull.count});
    }
  }
  std::ranges::sort(places, {}, &ElementRange::begin);
  return places;
}

}  // namespace

SnapshotLayout::SnapshotLayout(const ParameterStore& parameters,
                               const std::vector<SavedPart>& parts) {
  for (const ElementRange& place : places_of(parameters, parts)) {
    if (ranges_.empty() || ranges_.back().place.end < place.begin) {
      ranges_.push_back({{place.begin, place.begin}, elements()});
    }
    ranges_.back().place.end = place.end;
  }
}

std::int64_t SnapshotLayout::elements() const {
  if (ranges_.empty()) {
    return 0;
  }
  const auto& [place, at] = ranges_.back();
  return at + place.end - place.begin;
}

std::int64_t SnapshotLayout::at(std::int64_t element) const {
  const auto behind = std::ranges::upper_bound(
      ranges_, element, {}, [](const CopiedRange& range) { return range.place.begin; });
  const auto& [place, at] = *std::prev(behind);
  return at + element - place.begin;
}

}  // namespace stagecraft
