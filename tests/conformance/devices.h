// The devices that the conformance suites run on, and how a suite runs on all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/stream.h"

namespace stagecraft::testing {

/// Streams of one device kind; an operation must give the same bits on each of them.
struct DeviceUnderTest {
  std::string name;
  std::vector<std::unique_ptr<Stream>> streams;
};

/// Every kind that this program and this host can use. The CPU comes with 1, 2 and 3 threads.
inline std::vector<DeviceUnderTest> devices_under_test() {
  DeviceUnderTest cpu{"cpu", {}};
  for (const int threads : {1, 2, 3}) {
    cpu.streams.push_back(make_stream({DeviceKind::cpu, 0}, {.threads = threads}));
  }
  std::vector<DeviceUnderTest> devices;
  devices.push_back(std::move(cpu));
  return devices;
}

}  // namespace stagecraft::testing
