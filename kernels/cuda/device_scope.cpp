#include "kernels/cuda/device_scope.h"

#include "kernels/cuda/status.h"

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

DeviceCensus count_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    return {0, described(status)};
  }
  return {count, count > 0 ? "" : "the driver shows no GPU"};
}

}  // namespace stagecraft::cuda
