#include "kernels/stream.h"

#include "kernels/base/error.h"
#include "kernels/cpu/cpu_stream.h"

namespace stagecraft {

std::unique_ptr<Stream> make_stream(Device device, const StreamOptions& options) {
  require(device.kind == DeviceKind::cpu, "make_stream",
          "{} cannot be used: this program computes on the CPU only", to_string(device));
  return cpu::make_cpu_stream(options.threads);
}

}  // namespace stagecraft
