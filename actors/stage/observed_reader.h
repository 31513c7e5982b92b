// State that is read piece by piece, with a call before each piece.
#pragma once

#include <functional>
#include <utility>

#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// Calls `on_piece` before it reads a piece from `reader`, which must outlive it.
class ObservedReader : public StateReader {
 public:
  ObservedReader(const StateReader& reader, std::function<void()> on_piece)
      : reader_(reader), on_piece_(std::move(on_piece)) {}
  void read(const StatePiece& piece, std::span<float> values) const override {
    on_piece_();
    reader_.read(piece, values);
  }

 private:
  const StateReader& reader_;
  std::function<void()> on_piece_;
};

}  // namespace stagecraft
