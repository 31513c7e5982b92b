// Device memory of one stream.
#pragma once

#include <mutex>
#include <vector>

#include "kernels/core/free_list.h"
#include "kernels/core/memory.h"

namespace stagecraft::cuda {

/// Reuse is in the stream's order: the last user of a piece and its next one issue to the same
/// stream, so nothing waits. Once every size has been met as often as it is live at a time, nothing
/// is asked of CUDA any more. When CUDA has no memory left, free pieces are cut and coalesced
/// (free_list.h), and then unused segments go back to it.
class DevicePool : public MemoryPool {
 public:
  explicit DevicePool(int device);
  ~DevicePool() override;
  DevicePool(const DevicePool&) = delete;
  DevicePool& operator=(const DevicePool&) = delete;

  void* take(std::int64_t bytes) override;
  void give_back(void* data, std::int64_t bytes) noexcept override;

  /// Taken from the device, free pieces included.
  std::int64_t held_bytes() const;
  /// How often memory was asked of CUDA, or given back to it.
  std::int64_t device_calls() const;

 private:
  void* fresh(std::int64_t size);
  void release(const std::vector<FreeList::Segment>& segments) noexcept;
  [[noreturn]] void report_full(std::int64_t size) const;

  int device_;
  mutable std::mutex mutex_;
  FreeList free_;
  std::int64_t held_bytes_ = 0;
  std::int64_t device_calls_ = 0;
};

}  // namespace stagecraft::cuda
