// The devices of the conformance suites: streams and placements on every device kind.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backends/host_devices.h"
#include "kernels/backends/make_stream.h"
#include "kernels/core/device_report.h"
#include "kernels/core/stream.h"

namespace stagecraft::testing {

/// Streams of one device kind; an operation must give the same bits on each of them.
struct DeviceUnderTest {
  std::string name;
  std::vector<std::unique_ptr<Stream>> streams;
};

/// STAGECRAFT_TEST_DEVICES names the one kind to test. Unset: all available kinds.
inline bool is_wanted(const char* kind) {
  const char* const wanted = std::getenv("STAGECRAFT_TEST_DEVICES");
  return wanted == nullptr || std::string(wanted) == kind;
}

inline std::vector<DeviceUnderTest> make_devices_under_test() {
  std::vector<DeviceUnderTest> devices;
  if (is_wanted("cpu")) {
    DeviceUnderTest& cpu = devices.emplace_back(DeviceUnderTest{"cpu", {}});
    for (const int threads : {1, 2, 3}) {
      cpu.streams.push_back(make_stream({DeviceKind::cpu, 0}, {.threads = threads}));
    }
  }
  if (is_wanted("cuda")) {
    const DeviceCensus census = count_devices(DeviceKind::cuda);
    if (census.count == 0) {
      // ctest looks for this text.
      std::printf("cuda: skipped, no GPU (%s)\n", census.why_none.c_str());
      return devices;
    }
    DeviceUnderTest& cuda = devices.emplace_back(DeviceUnderTest{"cuda", {}});
    for (int i = 0; i < 2; ++i) {
      cuda.streams.push_back(make_stream({DeviceKind::cuda, 0}, {}));
    }
  }
  return devices;
}

/// The devices of a group's members, or of a channel's ends: number n is on devices[n % size].
struct Placement {
  std::string name;
  std::vector<Device> devices;
  Device at(int n) const { return devices[static_cast<std::size_t>(n) % devices.size()]; }
};

/// The CPU; one GPU for all; and, if there are several GPUs, one GPU each in turn.
inline std::vector<Placement> placements() {
  std::vector<Placement> all;
  if (is_wanted("cpu")) {
    all.push_back({"cpu", {{}}});
  }
  if (!is_wanted("cuda")) {
    return all;
  }
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  if (census.count == 0) {
    std::printf("cuda: skipped, no GPU (%s)\n", census.why_none.c_str());
    return all;
  }
  all.push_back({"one GPU", {{DeviceKind::cuda, 0}}});
  if (census.count > 1) {
    Placement& several = all.emplace_back(Placement{"several GPUs", {}});
    for (int index = 0; index < census.count; ++index) {
      several.devices.push_back({DeviceKind::cuda, index});
    }
  }
  return all;
}

/// Those of placements() on GPUs. Asked once: placements() prints that it finds none.
inline const std::vector<Placement>& gpu_placements() {
  static const std::vector<Placement> gpus = [] {
    std::vector<Placement> found = placements();
    std::erase_if(found, [](const Placement& placement) {
      return placement.devices.front().kind == DeviceKind::cpu;
    });
    return found;
  }();
  return gpus;
}

/// Every requested kind that this program and this host support. The CPU has streams with 1, 2 and
/// 3 threads, CUDA has two streams. Created once and kept until the program ends, because a
/// device's libraries start slowly.
inline std::vector<DeviceUnderTest>& devices_under_test() {
  static auto& devices = *new std::vector<DeviceUnderTest>(make_devices_under_test());
  return devices;
}

}  // namespace stagecraft::testing
