#include "kernels/cuda/runtime/device_clock.h"

#include <cmath>
#include <limits>

#include "kernels/base/span.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "Stream::mark_time";
constexpr std::int64_t kFresh_ns = 1'000'000'000;
constexpr int kAttempts = 8;

}  // namespace

TimeMark DeviceClock::mark(cudaStream_t stream) {
  const DeviceScope scope(device_);
  if (anchor_ == nullptr) {
    compare(stream);
  }
  return {.native = std::make_shared<NativeMark>(NativeMark{recorded(stream), anchor_}),
          .issued_ns = now_ns()};
}

std::int64_t DeviceClock::time_of(const TimeMark& mark) {
  const auto& native = *static_cast<const NativeMark*>(mark.native.get());
  check(cudaEventSynchronize(native.event->get()), kWhere);
  float since_ms = 0;
  check(cudaEventElapsedTime(&since_ms, native.anchor->event->get(), native.event->get()), kWhere);
  return native.anchor->host_ns + std::llround(static_cast<double>(since_ms) * 1e6);
}

void DeviceClock::adjust(cudaStream_t stream) {
  if (anchor_ != nullptr && now_ns() - anchor_->host_ns > kFresh_ns) {
    const DeviceScope scope(device_);
    compare(stream);
  }
}

DeviceClock::TimedEvent DeviceClock::recorded(cudaStream_t stream) const {
  TimedEvent event = events_->take(kWhere);
  check(cudaEventRecord(event->get(), stream), kWhere);
  return event;
}

/// The device reaches the event between two looks at the host's clock; of a few tries the quickest
/// counts, which is wrong by half of its time at most. The first mark of a busy stream waits for it
/// here.
void DeviceClock::compare(cudaStream_t stream) {
  check(cudaStreamSynchronize(stream), kWhere);
  std::int64_t quickest = std::numeric_limits<std::int64_t>::max();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::int64_t before = now_ns();
    auto event = recorded(stream);
    check(cudaEventSynchronize(event->get()), kWhere);
    const std::int64_t took = now_ns() - before;
    if (took < quickest) {
      quickest = took;
      anchor_ = std::make_shared<const Anchor>(Anchor{std::move(event), before + took / 2});
    }
  }
}

}  // namespace stagecraft::cuda
