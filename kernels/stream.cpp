#include "kernels/stream.h"

#include "kernels/cpu/cpu_report.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cuda/cuda_module.h"

namespace stagecraft {

std::unique_ptr<Stream> make_stream(Device device, const StreamOptions& options) {
  return device.kind == DeviceKind::cpu ? cpu::make_cpu_stream(options.threads)
                                        : cuda::make_cuda_stream(device.index, options);
}

DeviceCensus count_devices(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::count_cpu() : cuda::count_cuda_devices();
}

BackendReport report_backend(DeviceKind kind) {
  return kind == DeviceKind::cpu ? cpu::report_cpu() : cuda::report_cuda();
}

}  // namespace stagecraft
