// Where what a rank saves lies in the arenas, and in a copy of these parts.
#pragma once

#include <cstdint>
#include <vector>

#include "models/parameters/parameter.h"
#include "stages/plan/saved_parts.h"

namespace stagecraft {

/// Elements of an arena, and where they are copied to.
struct CopiedRange {
  ElementRange place;   // in the arenas
  std::int64_t at = 0;  // in the copy of one arena
};

/// The same for all arenas.
class SnapshotLayout {
 public:
  SnapshotLayout(const ParameterStore& parameters, const std::vector<SavedPart>& parts);
  /// Ascending. As few as can be: each is one copy.
  const std::vector<CopiedRange>& ranges() const { return ranges_; }
  /// Of the copy of one arena.
  std::int64_t elements() const;
  /// Where an element of the arenas is copied to. It is in one of the ranges.
  std::int64_t at(std::int64_t element) const;

 private:
  std::vector<CopiedRange> ranges_;
};

}  // namespace stagecraft
