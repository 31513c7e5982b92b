// The hashes of the state that all ranks hold together.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "actors/protocol/messages.h"
#include "models/checkpoint/checkpoint_manifest.h"
#include "models/parameters/state_hash.h"

namespace stagecraft {

/// The sums of the ranks' hashes, of each parameter all kinds, in model order.
class HashSums {
 public:
  explicit HashSums(std::size_t parameters);
  /// Throws Error for a parameter or kind that the model does not have.
  void add(const std::vector<WireHash>& hashes);
  const std::vector<StateHash>& tensors() const { return tensors_; }

 private:
  std::vector<StateHash> tensors_;
};

/// The first tensor and kind in which loaded state differs from what the checkpoint says, with both
/// hashes; "" if there is none.
std::string difference(const HashSums& loaded, const CheckpointManifest& manifest);

}  // namespace stagecraft
