// Initial weights that are drawn at random.
#pragma once

#include <cstdint>

#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// The weights with which training begins, as each parameter's initializer says. They are drawn on
/// the host, so they are the same for every device. Element i of a parameter is number i of the
/// random sequence (seed, name), whatever the box.
class DrawnWeights : public StateReader {
 public:
  /// Draws on `threads` threads of the host, which changes no bit.
  DrawnWeights(std::uint64_t seed, int threads) : seed_(seed), threads_(threads) {}
  void read(const StatePiece& piece, std::span<float> values) const override;

 private:
  std::uint64_t seed_;
  int threads_;
};

}  // namespace stagecraft
