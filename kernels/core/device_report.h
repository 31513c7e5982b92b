// What this program and this host have for computing, for people to read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/device.h"

namespace stagecraft {

/// How many devices of a kind this program can use on this host.
struct DeviceCensus {
  int count = 0;
  std::string why_none = {};             // empty when there are some
  std::vector<std::int64_t> bytes = {};  // of the memory of each
};

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

}  // namespace stagecraft
