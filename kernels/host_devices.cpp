#include "kernels/host_devices.h"

#include "kernels/cpu/cpu_report.h"
#include "kernels/cuda/open_module.h"

namespace stagecraft {

DeviceCensus count_devices(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::count_cpu() : cuda::count_cuda_devices();
}

BackendReport report_backend(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::report_cpu() : cuda::report_cuda();
}

}  // namespace stagecraft
