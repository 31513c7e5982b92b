// device.backend on this host: which devices the actors compute on, and why.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/stream.h"
#include "launch/run_settings.h"

namespace stagecraft {

struct DeviceChoice {
  std::vector<Device> devices = {{}};  // taken by the ranks in turn; not more than there are ranks
  std::string why;                     // half a sentence
  bool on_gpus() const { return devices.front().kind == DeviceKind::cuda; }
};

/// How many GPUs there are, asked where the answer matters. Empty: nobody looks; "auto" is the CPU
/// then, and "cuda" taken at its word.
using CountGpus = std::function<DeviceCensus()>;

/// "auto" takes GPUs where every actor has one of its own, "cuda" lets actors share what there are.
/// Throws ConfigError for "cuda" where it cannot be had.
DeviceChoice choose_devices(const SessionConfig& session, int actors, const CountGpus& count_gpus);

/// "CPU", "cuda:0", "cuda:0 to cuda:3".
std::string devices_text(const DeviceChoice& choice);

}  // namespace stagecraft
