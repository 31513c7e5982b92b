#include "kernels/backends/host_devices.h"

#include "kernels/cpu/runtime/cpu_report.h"
#include "kernels/cuda/module/open_module.h"

namespace stagecraft {

DeviceCensus count_devices(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::count_cpu() : cuda::count_cuda_devices();
}

BackendReport report_backend(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::report_cpu() : cuda::report_cuda();
}

}  // namespace stagecraft
