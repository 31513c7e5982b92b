// The host's memory that a rank's snapshots are copied to.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <span>
#include <stop_token>

#include "kernels/backends/host_memory.h"

namespace stagecraft {

/// Made once, by a thread of its own: that takes seconds, in which training goes on.
class SnapshotMemory {
 public:
  /// Starts the thread.
  SnapshotMemory(Device device, std::int64_t bytes);
  /// Stops it.
  ~SnapshotMemory();
  SnapshotMemory(const SnapshotMemory&) = delete;
  SnapshotMemory& operator=(const SnapshotMemory&) = delete;

  /// Waits until it is made. Null if it cannot be. `on_progress` is called while the host waits.
  const HostMemory* get(const std::function<void()>& on_progress);

 private:
  std::stop_source stop_;
  std::future<std::unique_ptr<HostMemory>> made_;  // not valid once it was waited for
  std::unique_ptr<HostMemory> memory_;
};

}  // namespace stagecraft
