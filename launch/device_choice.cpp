#include "launch/device_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr const char* kThreadsOnly =
    "processes (run.mode = \"mpi\") hand tensors over in memory of the host";

DeviceChoice on_cpu(std::string why) { return {.why = std::move(why)}; }

DeviceChoice on_gpus(int count, int actors) {
  DeviceChoice choice{
      .devices = {},
      .why = count >= actors ? "one for each actor" : fmt::format("shared by {} actors", actors)};
  for (int index = 0; index < std::min(count, actors); ++index) {
    choice.devices.push_back({DeviceKind::cuda, index});
  }
  return choice;
}

DeviceChoice choose_gpus(const SessionConfig& session, int actors, const CountGpus& count_gpus) {
  if (session.mode == "mpi") {
    throw ConfigError(
        "device.backend run.mode",
        fmt::format("{}; on GPUs take run.mode = \"threads\", or else device.backend = \"cpu\"",
                    kThreadsOnly));
  }
  const DeviceCensus census = count_gpus ? count_gpus() : DeviceCensus{actors, ""};
  if (census.count == 0) {
    throw ConfigError("device.backend",
                      fmt::format("no GPU can be used: {}; take device.backend = \"cpu\", or "
                                  "\"auto\", which looks for one",
                                  census.why_none));
  }
  return on_gpus(census.count, actors);
}

DeviceChoice choose_any(const SessionConfig& session, int actors, const CountGpus& count_gpus) {
  if (session.mode == "mpi") {
    return on_cpu(kThreadsOnly);
  }
  const DeviceCensus census = count_gpus ? count_gpus() : DeviceCensus{0, "nobody has looked"};
  if (census.count == 0) {
    return on_cpu(fmt::format("no GPU: {}", census.why_none));
  }
  if (census.count < actors) {
    return on_cpu(fmt::format(
        "{} GPU{} for {} actors; device.backend = \"cuda\" lets actors share what there are",
        census.count, census.count == 1 ? "" : "s", actors));
  }
  return on_gpus(census.count, actors);
}

}  // namespace

DeviceChoice choose_devices(const SessionConfig& session, int actors, const CountGpus& count_gpus) {
  if (session.backend == "cpu") {
    return on_cpu("as asked");
  }
  return session.backend == "cuda" ? choose_gpus(session, actors, count_gpus)
                                   : choose_any(session, actors, count_gpus);
}

std::string devices_text(const DeviceChoice& choice) {
  if (!choice.on_gpus()) {
    return "CPU";
  }
  const std::string first = to_string(choice.devices.front());
  return choice.devices.size() == 1
             ? first
             : fmt::format("{} to {}", first, to_string(choice.devices.back()));
}

}  // namespace stagecraft
