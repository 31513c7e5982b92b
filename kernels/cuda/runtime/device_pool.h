// Device memory of one stream.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "kernels/core/memory.h"

namespace stagecraft::cuda {

/// Free pieces by exact size. Reuse is in the stream's order: the last user of a piece and its next
/// one issue to the same stream, so that nothing has to be waited for. Once every size has been
/// seen as often as it is held at a time, nothing is asked of CUDA any more. Free pieces of other
/// sizes go back to CUDA only when it has no memory left.
class DevicePool : public MemoryPool {
 public:
  explicit DevicePool(int device) : device_(device) {}
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
  void* reused(std::int64_t size);
  void* fresh(std::int64_t size);
  void release_free() noexcept;
  [[noreturn]] void report_full(std::int64_t size) const;

  int device_;
  mutable std::mutex mutex_;
  std::map<std::int64_t, std::vector<void*>> free_;
  std::int64_t held_bytes_ = 0;
  std::int64_t device_calls_ = 0;
};

}  // namespace stagecraft::cuda
