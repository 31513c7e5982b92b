#include "stages/execute/snapshot_memory.h"

#include <chrono>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::unique_ptr<HostMemory> made(Device device, std::int64_t bytes, const std::stop_token& stop) {
  try {
    return std::make_unique<HostMemory>(device, bytes, stop);
  } catch (const Error&) {
    return nullptr;  // state is saved without a snapshot
  }
}

}  // namespace

SnapshotMemory::SnapshotMemory(Device device, std::int64_t bytes)
    : made_(std::async(std::launch::async, [device, bytes, stop = stop_.get_token()] {
        return made(device, bytes, stop);
      })) {}

SnapshotMemory::~SnapshotMemory() { stop_.request_stop(); }

const HostMemory* SnapshotMemory::get(const std::function<void()>& on_progress) {
  while (made_.valid() && made_.wait_for(std::chrono::seconds(1)) != std::future_status::ready) {
    on_progress();
  }
  if (made_.valid()) {
    memory_ = made_.get();
  }
  return memory_.get();
}

}  // namespace stagecraft
