// Where an operation runs.
#pragma once

#include <string>

#include "kernels/base/formatter.h"

namespace stagecraft {

enum class DeviceKind { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

/// "cpu:0", "cuda:3".
std::string to_string(Device device);

}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::Device> : stagecraft::ToStringFormatter<stagecraft::Device> {};
