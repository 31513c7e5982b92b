#include "launch/config/config_table.h"

#include <algorithm>

#include "launch/config/key_binding.h"
#include "launch/config/output_keys.h"
#include "launch/config/settings.h"
#include "launch/config/training_keys.h"
#include "stages/plan/auto_schedule.h"
#include "stages/plan/machine.h"
#include "stages/schedules/schedules.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {
namespace {

using enum KeyType;
using enum OnResume;

constexpr double kMaxDevices = 65536;  // per node

constexpr auto kRun = &RunSettings::run;
constexpr auto kSession = &RunSettings::session;
constexpr auto kParallel = &RunSettings::parallel;
constexpr auto kMachine = &RunSettings::machine;

std::vector<Choice> schedule_choices() {
  std::vector<Choice> choices;
  for (const std::string& name : schedule_names()) {
    choices.push_back({name});
  }
  choices.push_back({std::string(kAutoSchedule)});
  choices.push_back({.name = std::string(kScheduleFile), .argument = "PATH"});
  return choices;
}

Keys run_keys() {
  return {
      computed(key<kSession, &LaunchConfig::directory>("run.directory", text, may_change,
                                                       "Directory for the run's files: new, empty, "
                                                       "or with an unfinished run, which goes on"),
               "runs/NAME, where NAME is the configuration's file name without its extension; "
               "runs/NAME-2, ... if that is taken"),
      among(key<kSession, &LaunchConfig::mode>(
                "run.mode", choice, may_change,
                "Run actors as threads of one process or as processes (MPI)"),
            {{"threads"}, {"mpi"}}),
      among(key<kSession, &LaunchConfig::transport>(
                "run.transport", choice, may_change,
                "Transport between processes: auto uses shared windows within a node and MPI "
                "between nodes; window and mpi use only one of them"),
            {{"auto"}, {"window"}, {"mpi"}}),
      key<kRun, &RunOptions::watchdog_seconds>(
          "run.watchdog_seconds", real, may_change,
          "The run ends when an instruction makes no progress for this long; the message names the "
          "ranks and what they wait for",
          above(0)),
  };
}

Keys parallel_keys() {
  const Range ranks = within(1, kMaxRanks);
  return {
      key<kParallel, &ParallelConfig::pipeline>("parallel.pipeline", integer, may_change,
                                                "Pipeline stages; at most model.layers", ranks),
      key<kParallel, &ParallelConfig::tensor>("parallel.tensor", integer, moves_bits,
                                              "Ranks that split each layer; divides model.heads",
                                              ranks),
      key<kParallel, &ParallelConfig::data>(
          "parallel.data", integer, moves_bits,
          "Ranks that split each batch; divides train.global_batch", ranks),
      key<kParallel, &ParallelConfig::chunks>(
          "parallel.chunks", integer, may_change,
          "Model chunks per stage; more than 1 with interleaved and looped-bfs, 2 with zb-v and "
          "dualpipe-v",
          within(1, kMaxLayers)),
      among(key<kParallel, &ParallelConfig::schedule>(
                "parallel.schedule", choice, may_change,
                "Order of forwards and backwards; PATH names a program as text or CSV, relative to "
                "the configuration file, or with --set to the current directory"),
            schedule_choices()),
      key<kParallel, &ParallelConfig::memory_gib>("parallel.memory_gib", real, may_change,
                                                  "Memory limit of one rank in GiB: a plan above "
                                                  "it is refused, and auto searches within it; 0: "
                                                  "no limit",
                                                  from(0)),
      key<kParallel, &ParallelConfig::partition>(
          "parallel.partition", block_list, may_change,
          "Transformer blocks per chunk; auto balances the cost; the embedding belongs to the "
          "first chunk, norm and head to the last",
          within(1, kMaxLayers)),
  };
}

Keys device_keys() {
  return {
      among(
          key<kSession, &LaunchConfig::backend>(
              "device.backend", choice, may_change,
              "Device that computes; auto uses GPUs if there is one per actor, otherwise the CPU; "
              "with cuda, actors may share GPUs"),
          {{"auto"}, {"cpu"}, {"cuda"}}),
      computed(key<kSession, &LaunchConfig::threads>(
                   "device.threads", integer, may_change,
                   "CPU threads per actor; on GPUs they draw the initial weights", within(1, 4096)),
               "cores / actors, at least 1"),
  };
}

Keys machine_keys() {
  const auto of_preset = [](ConfigKey entry) { return computed(std::move(entry), "the preset's"); };
  const Range size = above(0);
  return {
      computed(among(key<kMachine, &MachineConfig::preset>(
                         "machine.preset", choice, may_change,
                         "A known machine, for stagecraft plan; other keys override its values"),
                     choices_of(machine_presets())),
               "none"),
      of_preset(key<kMachine, &MachineConfig::memory_gib>(
          "machine.memory_gib", real, may_change, "Usable memory of a device, in GiB", size)),
      of_preset(key<kMachine, &MachineConfig::tflops>(
          "machine.tflops", real, may_change, "Peak of a device's matrix products, in TFLOP/s",
          size)),
      of_preset(key<kMachine, &MachineConfig::efficiency>(
          "machine.efficiency", real, may_change,
          "Share of the peak that a layer's matrix products reach",
          Range{.min = 0, .max = 1, .min_open = true})),
      of_preset(key<kMachine, &MachineConfig::memory_gb_s>(
          "machine.memory_gb_s", real, may_change, "Bandwidth of a device's memory, in GB/s",
          size)),
      of_preset(key<kMachine, &MachineConfig::node_devices>(
          "machine.node_devices", integer, may_change, "Devices per node", within(1, kMaxDevices))),
      of_preset(key<kMachine, &MachineConfig::within_gb_s>(
          "machine.within_gb_s", real, may_change, "Bandwidth between devices of one node, in GB/s",
          size)),
      of_preset(key<kMachine, &MachineConfig::between_gb_s>(
          "machine.between_gb_s", real, may_change,
          "Bandwidth between devices of two nodes, in GB/s", size)),
      of_preset(
          key<kMachine, &MachineConfig::within_us>("machine.within_us", real, may_change,
                                                   "Latency within a node, in microseconds; 0 "
                                                   "without a preset",
                                                   size)),
      of_preset(key<kMachine, &MachineConfig::between_us>(
          "machine.between_us", real, may_change,
          "Latency between nodes, in microseconds; 0 without a preset", size)),
  };
}

}  // namespace

const std::vector<ConfigKey>& config_table() {
  static const Keys table = concatenated({run_keys(), model_keys(), parallel_keys(), train_keys(),
                                          data_keys(), checkpoint_keys(), metrics_keys(),
                                          trace_keys(), device_keys(), machine_keys()});
  return table;
}

const ConfigKey* find_key(std::string_view name) {
  const std::vector<ConfigKey>& table = config_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const ConfigKey& key) { return key.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_table()) {
    names.push_back(key.name);
  }
  return names;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_table()) {
    if (names.empty() || names.back() != key.section()) {
      names.push_back(key.section());
    }
  }
  return names;
}

}  // namespace stagecraft
