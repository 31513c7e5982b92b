// The device's clock on the host's: a time mark is an event, read against one whose time on the
// host is known.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "kernels/core/stream.h"
#include "kernels/cuda/runtime/event_pool.h"

namespace stagecraft::cuda {

class DeviceClock {
 public:
  explicit DeviceClock(int device)
      : device_(device), events_(std::make_shared<EventPool>(device, cudaEventDefault)) {}

  TimeMark mark(cudaStream_t stream);
  /// On the host's steady clock, to some microseconds. Waits until the mark is reached.
  static std::int64_t time_of(const TimeMark& mark);
  /// Compares the clocks again if marks are taken and the last comparison is a second old: clocks
  /// drift. `stream` has nothing to do, so that the answer comes at once.
  void adjust(cudaStream_t stream);

 private:
  using TimedEvent = std::shared_ptr<NativeEvent>;

  /// A moment on both clocks.
  struct Anchor {
    TimedEvent event;
    std::int64_t host_ns = 0;
  };
  /// What TimeMark::native holds.
  struct NativeMark {
    TimedEvent event;
    std::shared_ptr<const Anchor> anchor;  // before it
  };

  TimedEvent recorded(cudaStream_t stream) const;
  void compare(cudaStream_t stream);

  int device_;
  std::shared_ptr<EventPool> events_;
  std::shared_ptr<const Anchor> anchor_;  // none before the first mark
};

}  // namespace stagecraft::cuda
