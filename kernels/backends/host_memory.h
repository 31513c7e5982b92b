// Memory of the host that devices copy to.
#pragma once

#include <memory>
#include <stop_token>

#include "kernels/base/host_pages.h"
#include "kernels/core/device.h"

namespace stagecraft {

/// Pinned for a device: a copy of start_copy_to_host() (ops/host_copy.h) goes there while the host
/// does other work. No copy may be under way when it ends.
class HostMemory {
 public:
  /// Seconds for gigabytes, on any thread. Throws Error as HostPages does, and where the memory
  /// cannot be pinned.
  HostMemory(Device device, std::int64_t bytes, const std::stop_token& stop = {});
  std::span<std::byte> bytes() const { return pages_.bytes(); }

 private:
  HostPages pages_;
  std::shared_ptr<void> pin_;  // null: the device needs none
};

}  // namespace stagecraft
