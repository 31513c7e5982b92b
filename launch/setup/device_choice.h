// Resolves device.backend on this host: the devices of the actors, and the reason for the choice.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/core/device_report.h"
#include "launch/config/settings.h"

namespace stagecraft {

/// How the processes of a run share the GPUs of a host.
struct GpuSharing {
  bool allowed = false;  // --share-gpu
  int local_rank = 0;    // of this process, among those of its host
  int local_size = 0;    // number of processes on this host; 0: all of the run's
};

struct DeviceChoice {
  std::vector<Device> devices = {{}};    // assigned to ranks round-robin; in a process, its own
  std::vector<std::int64_t> bytes = {};  // memory of each device; empty: not queried
  std::string why;                       // reason, as part of a sentence
  bool open = false;                     // "auto", and GPUs not counted: the run decides
  bool on_gpus() const { return devices.front().kind == DeviceKind::cuda; }
};

/// Counts the GPUs. Called only when the number matters. Empty: GPUs are not counted; then "auto"
/// stays open, and "cuda" is accepted unchecked.
using CountGpus = std::function<DeviceCensus()>;

/// "auto" chooses GPUs if there is one per actor, otherwise the CPU. With "cuda", actors may share
/// GPUs; processes only when `sharing` allows it. Throws ConfigError for an impossible choice.
DeviceChoice choose_devices(const LaunchConfig& session, int actors, const CountGpus& count_gpus,
                            const GpuSharing& sharing = {});

/// "CPU", "cuda:0", "cuda:0 to cuda:3", or "auto" for an open choice.
std::string devices_text(const DeviceChoice& choice);

}  // namespace stagecraft
