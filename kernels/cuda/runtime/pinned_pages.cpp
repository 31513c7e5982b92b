#include "kernels/cuda/runtime/pinned_pages.h"

#include <cuda_runtime_api.h>

#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {

std::shared_ptr<void> pin_memory(int index, std::span<std::byte> pages) {
  const DeviceScope scope(index);
  check(cudaHostRegister(pages.data(), pages.size(), cudaHostRegisterDefault), "pin_memory");
  return {pages.data(), [index](void* pinned) {
            const DeviceScope unpinning(index);
            cudaHostUnregister(pinned);
          }};
}

}  // namespace stagecraft::cuda
