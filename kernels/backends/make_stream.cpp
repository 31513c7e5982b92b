#include "kernels/backends/make_stream.h"

#include "kernels/cpu/ops/op_table.h"
#include "kernels/cpu/runtime/cpu_stream.h"
#include "kernels/cuda/module/open_module.h"

namespace stagecraft {

std::unique_ptr<Stream> make_stream(Device device, const StreamOptions& options) {
  return device.kind == DeviceKind::cpu ? cpu::make_cpu_stream(options.threads, cpu::op_table())
                                        : cuda::make_cuda_stream(device.index, options);
}

}  // namespace stagecraft
