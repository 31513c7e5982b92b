// Snapshots of what a rank saves: a copy of parts of the arenas in memory of the host.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/core/stream.h"
#include "models/parameters/parameter.h"
#include "stages/execute/snapshot_layout.h"
#include "stages/execute/snapshot_memory.h"
#include "stages/execute/state_snapshot.h"
#include "stages/plan/saved_parts.h"

namespace stagecraft {

/// Takes snapshots, one at a time, into the same memory. Copies run on a stream of their own.
class ArenaSnapshots {
 public:
  /// What they are of must outlive them.
  ArenaSnapshots(Stream& stream, const ParameterStore& parameters,
                 const std::vector<SavedPart>& parts);
  /// Waits for the copies that were started.
  ~ArenaSnapshots();
  ArenaSnapshots(const ArenaSnapshots&) = delete;
  ArenaSnapshots& operator=(const ArenaSnapshots&) = delete;

  /// Starts making the memory, which take() does otherwise.
  void make_memory();
  /// As StageWork::snapshot(). `on_progress` is called while the memory is made.
  std::unique_ptr<StateSnapshot> take(const std::function<void()>& on_progress);
  /// What the stream does from now on comes after the last snapshot's copy.
  void await();

 private:
  void start_copies(std::span<float> values);

  Stream& stream_;
  const ParameterStore& parameters_;
  const std::vector<SavedPart>& parts_;
  SnapshotLayout layout_;
  std::unique_ptr<SnapshotMemory> memory_;  // null: nobody has asked for it
  std::unique_ptr<Stream> copies_;          // null before the first snapshot
  Event copied_;                            // behind the last snapshot's copies
};

}  // namespace stagecraft
