#include "models/checkpoint/piece_cache.h"

#include <algorithm>

namespace stagecraft {
namespace {

std::int64_t bytes_of(const CheckpointPiece& piece) {
  return elements_of(piece.box.shape()) * size_of(DType::float32);
}

}  // namespace

struct PieceCache::Slot {
  explicit Slot(const CheckpointPiece& which) : piece(which) {}

  const CheckpointPiece& piece;  // its address says which one it is
  std::mutex mutex;              // of the values
  std::shared_ptr<const HostValues> values;
};

PieceCache::~PieceCache() = default;

std::shared_ptr<const HostValues> PieceCache::get(
    const CheckpointPiece& piece, const std::function<void(std::span<float>)>& load) {
  const std::shared_ptr<Slot> slot = slot_of(piece);
  const std::lock_guard lock(slot->mutex);
  if (slot->values == nullptr) {
    const auto values = std::make_shared<const HostValues>(elements_of(piece.box.shape()));
    load(values->all());
    slot->values = values;
  }
  return slot->values;
}

/// Puts the piece's slot in front, and drops those behind it that are too much.
std::shared_ptr<PieceCache::Slot> PieceCache::slot_of(const CheckpointPiece& piece) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(
      slots_, [&](const std::shared_ptr<Slot>& slot) { return &slot->piece == &piece; });
  if (found == slots_.end()) {
    slots_.push_front(std::make_shared<Slot>(piece));
  } else {
    slots_.splice(slots_.begin(), slots_, found);
  }
  const std::shared_ptr<Slot> slot = slots_.front();
  std::int64_t held = 0;
  std::erase_if(slots_, [&](const std::shared_ptr<Slot>& each) {
    held += bytes_of(each->piece);
    return held > bytes_ && each != slot;
  });
  return slot;
}

}  // namespace stagecraft
