// State that is read block by block, with a call before each block.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// Reads from `reader`, which must outlive it, and calls `on_block` before each block: progress for
/// a watchdog, however large a piece is.
class ObservedReader : public StateReader {
 public:
  /// A fraction of a second, also from a slow disk.
  static constexpr std::int64_t kBlockElements = std::int64_t{1} << 22;

  ObservedReader(const StateReader& reader, std::function<void()> on_block)
      : reader_(reader), on_block_(std::move(on_block)) {}
  void read(const StatePiece& piece, std::span<float> values) const override {
    for (const Box& block : blocks_of(piece.box, kBlockElements)) {
      const auto count = static_cast<std::size_t>(elements_of(block.shape()));
      on_block_();
      reader_.read({piece.parameter, piece.kind, block}, values.first(count));
      values = values.subspan(count);
    }
  }

 private:
  const StateReader& reader_;
  std::function<void()> on_block_;
};

}  // namespace stagecraft
