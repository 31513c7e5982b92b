// device.backend on this host: which devices the actors compute on, and why.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/core/device_report.h"
#include "launch/config/settings.h"

namespace stagecraft {

/// How the run's processes, if it has any, share the GPUs of a host.
struct GpuSharing {
  bool allowed = false;  // --share-gpu
  int local_rank = 0;    // this process's number on its host
  int local_size = 0;    // how many there are on it; 0: all of the run's
};

struct DeviceChoice {
  std::vector<Device> devices = {{}};    // taken by the ranks in turn; of a process, its own
  std::vector<std::int64_t> bytes = {};  // of each one's memory; empty: nobody looked
  std::string why;                       // half a sentence
  bool open = false;                     // "auto", and nobody has looked: the run will
  bool on_gpus() const { return devices.front().kind == DeviceKind::cuda; }
};

/// How many GPUs there are, asked where the answer matters. Empty: nobody looks; "auto" stays open
/// then, and "cuda" is taken at its word.
using CountGpus = std::function<DeviceCensus()>;

/// "auto" takes GPUs where every actor has one of its own, "cuda" lets actors share what there are;
/// processes only where that is allowed. Throws ConfigError for what cannot be had.
DeviceChoice choose_devices(const SessionConfig& session, int actors, const CountGpus& count_gpus,
                            const GpuSharing& sharing = {});

/// "CPU", "cuda:0", "cuda:0 to cuda:3"; of an open choice, the rule.
std::string devices_text(const DeviceChoice& choice);

}  // namespace stagecraft
