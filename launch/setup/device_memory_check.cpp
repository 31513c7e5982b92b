#include "launch/setup/device_memory_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "launch/format/units.h"

namespace stagecraft {
namespace {

std::int64_t planned_bytes(const TrainingPlan& plan, int rank) {
  const int stage = coordinate_of(plan.mesh, rank).pipeline;
  return plan.memory[static_cast<std::size_t>(stage)].total();
}

struct Load {
  std::int64_t bytes = 0;
  std::string words;  // whose bytes: the subject and verb of a message
};

/// The load of the ranks first, first + step, ...
Load load_together(const TrainingPlan& plan, int first, int step) {
  Load load;
  int ranks = 0;
  for (int rank = first; rank < plan.mesh.ranks(); rank += step, ++ranks) {
    load.bytes += planned_bytes(plan, rank);
  }
  load.words = ranks == 1 ? fmt::format("rank {} plans", first)
                          : fmt::format("its {} ranks together plan", ranks);
  return load;
}

Load load_of_largest(const TrainingPlan& plan) {
  const auto& memory = plan.memory;
  const auto largest = std::ranges::max_element(memory, {}, &StageMemory::total);
  return {largest->total(), fmt::format("a rank of stage {} plans", largest - memory.begin())};
}

[[noreturn]] void refuse(const Load& load, std::int64_t bytes, const std::string& device,
                         const std::string& limits) {
  throw ConfigError(
      "parallel.pipeline parallel.tensor train.micro_batch parallel.schedule",
      fmt::format("{} has {} of memory{}, and {} {} at the peak; use more stages or tensor shards, "
                  "smaller micro-batches, or a schedule that keeps fewer of them (stagecraft plan "
                  "ranks the splits that fit; stagecraft check shows the memory of each stage)",
                  device, bytes_text(bytes), limits, load.words, bytes_text(load.bytes)));
}

}  // namespace

void check_device_memory(const TrainingPlan& plan, const LaunchConfig& session,
                         const DeviceChoice& choice, const GpuSharing& sharing) {
  const auto devices = static_cast<int>(choice.bytes.size());
  const bool processes = session.mode == "mpi";
  const bool all_here =
      !processes || (!choice.on_gpus() && sharing.local_size == plan.mesh.ranks());
  for (int index = 0; index < devices; ++index) {
    const Load load = all_here ? load_together(plan, index, devices) : load_of_largest(plan);
    const auto at = static_cast<std::size_t>(index);
    if (load.bytes > choice.bytes[at]) {
      refuse(load, choice.bytes[at],
             choice.on_gpus() ? to_string(choice.devices[at]) : std::string("this host"),
             choice.on_gpus() ? "" : " for this process (by its limits: ulimit -v, control group)");
    }
  }
}

}  // namespace stagecraft
