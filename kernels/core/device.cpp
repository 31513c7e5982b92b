#include "kernels/core/device.h"

#include <fmt/core.h>

namespace stagecraft {

std::string to_string(Device device) {
  return fmt::format("{}:{}", device.kind == DeviceKind::cpu ? "cpu" : "cuda", device.index);
}

}  // namespace stagecraft
