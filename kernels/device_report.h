// What this program and this host have for computing, for people to read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace stagecraft {

struct NamedFact {
  std::string name;
  std::string value;
};

struct DeviceFacts {
  std::string name;  // as the vendor has it
  std::string architecture;
  std::int64_t bytes = 0;  // of its memory
  std::int64_t free_bytes = 0;
  std::string fault = {};  // why it cannot be used; empty: it can
};

struct BackendReport {
  std::vector<NamedFact> parts = {};  // of the build, drivers, libraries
  std::vector<DeviceFacts> devices = {};
  std::string fault = {};   // why there is no device; empty: there is one that can be used
  std::string remedy = {};  // of that fault
};

/// May start the devices' contexts, which takes a second. Never throws for what is missing.
BackendReport report_backend(DeviceKind kind);

}  // namespace stagecraft
