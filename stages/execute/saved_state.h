// What one rank saves of the state of training: its pieces, their values, snapshots and hashes.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/core/stream.h"
#include "models/parameters/parameter.h"
#include "models/parameters/state_hash.h"
#include "stages/execute/arena_snapshot.h"
#include "stages/execute/state_snapshot.h"
#include "stages/plan/saved_parts.h"

namespace stagecraft {

/// The methods are those of StageWork.
class SavedState {
 public:
  /// `stream` and `parameters` must outlive it.
  SavedState(Stream& stream, const ParameterStore& parameters, std::vector<SavedPart> parts);

  const std::vector<StatePiece>& pieces() const { return pieces_; }
  void save(StateKind kind, StateWriter& writer) const;
  ArenaSnapshots& snapshots() { return snapshots_; }
  void start_hashing();
  std::vector<StateHash> hashes();

 private:
  Stream& stream_;
  const ParameterStore& parameters_;
  std::vector<SavedPart> parts_;
  ArenaSnapshots snapshots_;
  std::vector<StatePiece> pieces_;
  TensorHashes hashing_;           // of all pieces; `out` is set between start_hashing and hashes
  std::vector<StateHash> hashed_;  // what each of its hashes is of
};

}  // namespace stagecraft
