#include "kernels/cuda/runtime/event_pool.h"

#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {

std::shared_ptr<NativeEvent> EventPool::take(std::string_view where) {
  std::unique_ptr<NativeEvent> event = reused();
  if (event == nullptr) {
    event = std::make_unique<NativeEvent>(
        NativeEvent{.device = device_,
                    .event = make_handle<cudaEvent_t, cudaEventDestroy>([&](cudaEvent_t* out) {
                      check(cudaEventCreateWithFlags(out, flags_), where);
                    })});
  }
  return {event.release(),
          [pool = shared_from_this()](NativeEvent* unused) { pool->give_back(unused); }};
}

std::unique_ptr<NativeEvent> EventPool::reused() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    return nullptr;
  }
  std::unique_ptr<NativeEvent> event = std::move(free_.back());
  free_.pop_back();
  return event;
}

void EventPool::give_back(NativeEvent* event) noexcept {
  std::unique_ptr<NativeEvent> owned(event);
  const std::lock_guard lock(mutex_);
  try {
    free_.push_back(std::move(owned));
  } catch (...) {  // no memory to remember it by: it is destroyed
  }
}

}  // namespace stagecraft::cuda
