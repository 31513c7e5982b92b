#include "kernels/backends/host_memory.h"

#include "kernels/cuda/module/open_module.h"

namespace stagecraft {

HostMemory::HostMemory(Device device, std::int64_t bytes, const std::stop_token& stop)
    : pages_(bytes, stop) {
  if (device.kind == DeviceKind::cuda && bytes > 0) {
    pin_ = cuda::pin_memory(device.index, pages_.bytes());
  }
}

}  // namespace stagecraft
