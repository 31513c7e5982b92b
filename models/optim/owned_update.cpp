#include "models/optim/owned_update.h"

#include <cstdint>
#include <span>

#include "kernels/base/error.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

std::int64_t aligned(std::int64_t elements) {
  return (elements + kDecayUnit - 1) / kDecayUnit * kDecayUnit;
}

/// In the arenas. What ends at the end of a parameter includes the zeros up to the next one.
ElementRange place_of(const OwnedRange& owned) {
  const ElementRange& place = owned.parameter->place;
  const auto& [begin, end] = owned.range;
  const std::int64_t size = place.end - place.begin;
  require(0 <= begin && begin <= end && end <= size && begin % kDecayUnit == 0 &&
              (end % kDecayUnit == 0 || end == size),
          "OwnedUpdate", "[{}, {}) is no range of the {} elements of {} in units of {}", begin, end,
          size, owned.parameter->spec.name, kDecayUnit);
  return {place.begin + begin, place.begin + aligned(end)};
}

/// Bounds of the ranges with weight decay, which may share a border.
class DecayBounds {
 public:
  void add(const ElementRange& range) {
    const auto first = static_cast<std::int32_t>(range.begin / kDecayUnit);
    if (!bounds_.empty() && bounds_.back() == first) {
      bounds_.pop_back();
    } else {
      bounds_.push_back(first);
    }
    bounds_.push_back(static_cast<std::int32_t>(range.end / kDecayUnit));
  }
  /// AdamW decays all elements where it is given no bounds.
  Tensor on(Stream& stream) {
    if (bounds_.empty()) {
      bounds_ = {0, 0};
    }
    Tensor bounds(stream.memory(), {static_cast<std::int64_t>(bounds_.size())}, DType::int32,
                  MemoryLabel::optimizer);
    copy_from_host(stream, std::span<const std::int32_t>(bounds_), bounds);
    return bounds;
  }

 private:
  std::vector<std::int32_t> bounds_;
};

}  // namespace

OwnedRange whole_of(const Parameter& parameter) {
  return {&parameter, {0, parameter.place.end - parameter.place.begin}};
}

OwnedUpdate::OwnedUpdate(Stream& stream, const std::vector<OwnedRange>& owned) {
  std::vector<DecayBounds> decayed;
  for (const OwnedRange& each : owned) {
    const ElementRange place = place_of(each);
    const std::int64_t before = pieces_.empty() ? 0 : pieces_.back().range.end;
    require(place.begin >= before, "OwnedUpdate", "{} comes before element {} of the arenas",
            each.parameter->spec.name, before);
    if (pieces_.empty() || place.begin > before) {
      pieces_.push_back({{place.begin, place.begin}, {}});
      decayed.emplace_back();
    }
    ElementRange& piece = pieces_.back().range;
    if (each.parameter->spec.decayed() && place.end > place.begin) {
      decayed.back().add({place.begin - piece.begin, place.end - piece.begin});
    }
    piece.end = place.end;
  }
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    pieces_[i].decayed = decayed[i].on(stream);
  }
}

void OwnedUpdate::apply(Stream& stream, const ParameterArenas& arenas, AdamW values) const {
  for (const Piece& piece : pieces_) {
    const auto part_of = [&](const Tensor& arena) {
      return arena.empty() ? arena : arena.rows(piece.range.begin, piece.range.end);
    };
    values.weight = part_of(arenas.weights);
    values.gradient = part_of(arenas.gradients);
    values.first_moment = part_of(arenas.first_moments);
    values.second_moment = part_of(arenas.second_moments);
    values.compute_weights = part_of(arenas.compute_weights);
    values.decayed = piece.decayed;
    adamw(stream, values);
  }
}

}  // namespace stagecraft
