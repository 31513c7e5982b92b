#include "kernels/cuda/runtime/device_scope.h"

#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {

DeviceScope::DeviceScope(int index) : index_(index) {
  check(cudaGetDevice(&before_), "DeviceScope");
  if (before_ != index_) {
    check(cudaSetDevice(index_), "DeviceScope");
  }
}

DeviceScope::~DeviceScope() {
  if (before_ != index_) {
    cudaSetDevice(before_);
  }
}

}  // namespace stagecraft::cuda
