#include "launch/setup/device_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

DeviceChoice on_cpu(std::string why) { return {.why = std::move(why)}; }

/// Adds GPU `index` to `choice`.
void take(DeviceChoice& choice, const DeviceCensus& census, int index) {
  choice.devices.push_back({DeviceKind::cuda, index});
  if (!census.bytes.empty()) {
    choice.bytes.push_back(census.bytes[static_cast<std::size_t>(index)]);
  }
}

/// GPUs for actors that are threads.
DeviceChoice on_gpus(const DeviceCensus& census, int actors) {
  const int count = census.count;
  DeviceChoice choice{
      .devices = {},
      .why = count >= actors ? "one for each actor" : fmt::format("shared by {} actors", actors)};
  for (int index = 0; index < std::min(count, actors); ++index) {
    take(choice, census, index);
  }
  return choice;
}

/// The GPU of one process.
DeviceChoice on_own_gpu(const DeviceCensus& census, int processes, const GpuSharing& sharing) {
  const int count = census.count;
  DeviceChoice choice{
      .devices = {},
      .why = count >= processes
                 ? fmt::format("one for each of {} processes of this host", processes)
                 : fmt::format("{} for {} processes of this host, shared because of --share-gpu; "
                               "for tests, since they communicate through sockets",
                               count, processes)};
  take(choice, census, sharing.local_rank % count);
  return choice;
}

std::string too_few(int count, int processes) {
  return fmt::format("{} GPU{} for {} processes of this host", count, count == 1 ? "" : "s",
                     processes);
}

DeviceChoice choose_gpus(const LaunchConfig& session, int actors, const CountGpus& count_gpus,
                         const GpuSharing& sharing) {
  const DeviceCensus census = count_gpus ? count_gpus() : DeviceCensus{actors, ""};
  if (census.count == 0) {
    throw ConfigError("device.backend",
                      fmt::format("no GPU can be used: {}; stagecraft doctor shows how to fix it; "
                                  "or set device.backend = \"cpu\", or \"auto\", which falls back "
                                  "to the CPU",
                                  census.why_none));
  }
  if (session.mode != "mpi") {
    return on_gpus(census, actors);
  }
  const int processes = sharing.local_size == 0 ? actors : sharing.local_size;
  if (census.count < processes && !sharing.allowed) {
    throw ConfigError(
        "device.backend run.mode",
        fmt::format("{}: set run.mode = \"threads\", where actors can share GPUs, or, for tests, "
                    "give --share-gpu",
                    too_few(census.count, processes)));
  }
  return on_own_gpu(census, processes, sharing);
}

DeviceChoice choose_any(const LaunchConfig& session, int actors, const CountGpus& count_gpus,
                        const GpuSharing& sharing) {
  if (!count_gpus) {
    return {.why = "one GPU per actor if available, otherwise the CPU", .open = true};
  }
  const DeviceCensus census = count_gpus();
  if (census.count == 0) {
    return on_cpu(fmt::format("no GPU: {}", census.why_none));
  }
  if (session.mode != "mpi") {
    return census.count >= actors
               ? on_gpus(census, actors)
               : on_cpu(fmt::format("{} GPU{} for {} actors; device.backend = \"cuda\" lets actors "
                                    "share GPUs",
                                    census.count, census.count == 1 ? "" : "s", actors));
  }
  if (sharing.local_size != 0 && sharing.local_size < actors) {
    return on_cpu(
        "auto is the CPU on several hosts, since all must choose alike; device.backend = \"cuda\" "
        "uses their GPUs");
  }
  return census.count >= actors || sharing.allowed
             ? on_own_gpu(census, actors, sharing)
             : on_cpu(too_few(census.count, actors) + "; --share-gpu lets them share, for tests");
}

}  // namespace

DeviceChoice choose_devices(const LaunchConfig& session, int actors, const CountGpus& count_gpus,
                            const GpuSharing& sharing) {
  if (sharing.allowed && session.mode != "mpi") {
    throw ConfigError("run.mode",
                      "--share-gpu is for processes (run.mode = \"mpi\"); actors that are threads "
                      "share GPUs without it");
  }
  if (session.backend == "cpu") {
    return on_cpu("as asked");
  }
  return session.backend == "cuda" ? choose_gpus(session, actors, count_gpus, sharing)
                                   : choose_any(session, actors, count_gpus, sharing);
}

std::string devices_text(const DeviceChoice& choice) {
  if (!choice.on_gpus()) {
    return choice.open ? "auto" : "CPU";
  }
  const std::string first = to_string(choice.devices.front());
  return choice.devices.size() == 1
             ? first
             : fmt::format("{} to {}", first, to_string(choice.devices.back()));
}

}  // namespace stagecraft
