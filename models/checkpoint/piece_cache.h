// The pieces that boxes of another split cut.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>

#include "models/checkpoint/checkpoint_manifest.h"
#include "models/parameters/box_values.h"

namespace stagecraft {

/// Keeps the pieces that were read last, up to a number of bytes or the last one, because the next
/// box often cuts the same ones: q, k and v do, and so do the ranks of one process. Safe from
/// several threads.
class PieceCache {
 public:
  explicit PieceCache(std::int64_t bytes) : bytes_(bytes) {}
  ~PieceCache();
  /// The values of a piece, which `load` fills if they are not kept. Of several threads that want
  /// the same piece one loads and the others wait. What `load` throws is thrown, and nothing kept.
  std::shared_ptr<const HostValues> get(const CheckpointPiece& piece,
                                        const std::function<void(std::span<float>)>& load);

 private:
  struct Slot;
  std::shared_ptr<Slot> slot_of(const CheckpointPiece& piece);

  std::int64_t bytes_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Slot>> slots_;  // the last one that was used comes first
};

}  // namespace stagecraft
