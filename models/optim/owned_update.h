// AdamW over the parts of parameters that a rank owns.
#pragma once

#include <vector>

#include "kernels/ops/adamw.h"
#include "models/parameters/parameter.h"

namespace stagecraft {

/// Elements [begin, end) of a rank's part of a parameter, which the rank updates, or of which it
/// reports the square. `begin` is a multiple of kDecayUnit, `end` too or the parameter's end.
struct OwnedRange {
  const Parameter* parameter = nullptr;
  ElementRange range;
};

/// The whole of the rank's part.
OwnedRange whole_of(const Parameter& parameter);

/// Updates owned ranges. Ranges that follow each other in the arenas are updated by one call.
class OwnedUpdate {
 public:
  /// `owned` is in the order of the arenas and does not overlap. Throws Error otherwise, and for a
  /// bound that is no multiple.
  OwnedUpdate(Stream& stream, const std::vector<OwnedRange>& owned);
  /// `values` has the numbers; its tensors are set here.
  void apply(Stream& stream, const ParameterArenas& arenas, AdamW values) const;

 private:
  struct Piece {
    ElementRange range;  // of the arenas
    Tensor decayed;      // in AdamW's format, from the begin of `range`
  };
  std::vector<Piece> pieces_;
};

}  // namespace stagecraft
