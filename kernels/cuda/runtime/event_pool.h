// CUDA's events, made once and used again: making one takes longer than recording it.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "kernels/cuda/runtime/handle.h"

namespace stagecraft::cuda {

/// An event of one device. What Event::native holds.
struct NativeEvent {
  cudaEvent_t get() const { return event.get(); }

  int device;
  Handle<cudaEvent_t, cudaEventDestroy> event;
};

/// The events of one device that nobody holds. An event may be taken again while streams still wait
/// for it: they wait for its record as it was when they were told to. Safe from any thread.
class EventPool : public std::enable_shared_from_this<EventPool> {
 public:
  /// `flags` as cudaEventCreateWithFlags takes them. Owned by a shared pointer.
  EventPool(int device, unsigned flags) : device_(device), flags_(flags) {}
  EventPool(const EventPool&) = delete;
  EventPool& operator=(const EventPool&) = delete;

  /// An event, to be recorded before it is waited for. It returns to the pool, which it keeps
  /// alive, when the last handle goes. The device is the calling thread's (DeviceScope).
  std::shared_ptr<NativeEvent> take(std::string_view where);

 private:
  std::unique_ptr<NativeEvent> reused();
  void give_back(NativeEvent* event) noexcept;

  int device_;
  unsigned flags_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<NativeEvent>> free_;
};

}  // namespace stagecraft::cuda
