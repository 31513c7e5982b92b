#include "launch/config/config_table.h"

#include <algorithm>

#include "launch/config/key_binding.h"
#include "launch/config/settings.h"
#include "launch/config/training_keys.h"
#include "stages/plan/auto_schedule.h"
#include "stages/plan/machine.h"
#include "stages/schedules/schedules.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {
namespace {

using enum KeyType;

constexpr double kMaxDevices = 65536;  // per node
constexpr double kMaxTraceMib = 1048576;

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
      computed(key<kSession, &LaunchConfig::directory>(
                   "run.directory", text, "Directory for the run's files; must be new or empty"),
               "runs/NAME, where NAME is the configuration's file name without its extension; "
               "runs/NAME-2, ... if that is taken"),
      among(key<kSession, &LaunchConfig::mode>(
                "run.mode", choice, "Run actors as threads of one process or as processes (MPI)"),
            {{"threads"}, {"mpi"}}),
      among(key<kSession, &LaunchConfig::transport>(
                "run.transport", choice,
                "Transport between processes: auto uses shared windows within a node and MPI "
                "between nodes; window and mpi use only one of them"),
            {{"auto"}, {"window"}, {"mpi"}}),
      key<kRun, &RunOptions::watchdog_seconds>(
          "run.watchdog_seconds", real,
          "The run ends when an instruction makes no progress for this long; the message names the "
          "ranks and what they wait for",
          above(0)),
  };
}

Keys parallel_keys() {
  const Range ranks = within(1, kMaxRanks);
  return {
      key<kParallel, &ParallelConfig::pipeline>("parallel.pipeline", integer,
                                                "Pipeline stages; at most model.layers", ranks),
      key<kParallel, &ParallelConfig::tensor>(
          "parallel.tensor", integer, "Ranks that split each layer; divides model.heads", ranks),
      key<kParallel, &ParallelConfig::data>(
          "parallel.data", integer, "Ranks that split each batch; divides train.global_batch",
          ranks),
      key<kParallel, &ParallelConfig::chunks>(
          "parallel.chunks", integer,
          "Model chunks per stage; more than 1 with interleaved and looped-bfs, 2 with zb-v and "
          "dualpipe-v",
          within(1, kMaxLayers)),
      among(key<kParallel, &ParallelConfig::schedule>(
                "parallel.schedule", choice,
                "Order of forwards and backwards; PATH names a program as text or CSV, relative to "
                "the configuration file, or with --set to the current directory"),
            schedule_choices()),
      key<kParallel, &ParallelConfig::memory_gib>("parallel.memory_gib", real,
                                                  "Memory limit of one rank in GiB: a plan above "
                                                  "it is refused, and auto searches within it; 0: "
                                                  "no limit",
                                                  from(0)),
      key<kParallel, &ParallelConfig::partition>(
          "parallel.partition", block_list,
          "Transformer blocks per chunk; auto balances the cost; the embedding belongs to the "
          "first chunk, norm and head to the last",
          within(1, kMaxLayers)),
  };
}

Keys trace_and_device_keys() {
  return {
      computed(key<kSession, &LaunchConfig::trace_file>("trace.file", text,
                                                        "Trace file for Perfetto; \"\": none"),
               "trace.json in the run directory"),
      key<kSession, &LaunchConfig::trace_steps>(
          "trace.steps", integer, "Number of first steps in the trace", within(0, kMaxSteps)),
      among(key<kSession, &LaunchConfig::trace_ranks>(
                "trace.ranks", choice,
                "Ranks that are traced: one of each stage (data 0, tensor 0), or all"),
            {{"stages"}, {"all"}}),
      key<kSession, &LaunchConfig::trace_limit_mib>(
          "trace.limit_mib", integer,
          "Size in MiB that a rank's trace file may have; the rank records no more when it is "
          "reached",
          within(1, kMaxTraceMib)),
      key<kSession, &LaunchConfig::trace_calibrate>(
          "trace.calibrate", boolean,
          "Predict the traced steps from costs measured in the first of them, unless trace.cost is "
          "given"),
      computed(
          key<kSession, &LaunchConfig::trace_cost>(
              "trace.cost", text,
              "Costs in milliseconds, such as \"F=1.5,B=[3,4],U=2\", for the prediction of the "
              "traced "
              "steps and the search of parallel.schedule = \"auto\" (docs/prediction.md)"),
          "none"),
      among(
          key<kSession, &LaunchConfig::backend>(
              "device.backend", choice,
              "Device that computes; auto uses GPUs if there is one per actor, otherwise the CPU; "
              "with cuda, actors may share GPUs"),
          {{"auto"}, {"cpu"}, {"cuda"}}),
      computed(key<kSession, &LaunchConfig::threads>(
                   "device.threads", integer,
                   "CPU threads per actor; on GPUs they draw the initial weights", within(1, 4096)),
               "cores / actors, at least 1"),
  };
}

Keys machine_keys() {
  const auto of_preset = [](ConfigKey entry) { return computed(std::move(entry), "the preset's"); };
  const Range size = above(0);
  return {
      computed(among(key<kMachine, &MachineConfig::preset>(
                         "machine.preset", choice,
                         "A known machine, for stagecraft plan; other keys override its values"),
                     choices_of(machine_presets())),
               "none"),
      of_preset(key<kMachine, &MachineConfig::memory_gib>(
          "machine.memory_gib", real, "Usable memory of a device, in GiB", size)),
      of_preset(key<kMachine, &MachineConfig::tflops>(
          "machine.tflops", real, "Peak of a device's matrix products, in TFLOP/s", size)),
      of_preset(key<kMachine, &MachineConfig::efficiency>(
          "machine.efficiency", real, "Share of the peak that a layer's matrix products reach",
          Range{.min = 0, .max = 1, .min_open = true})),
      of_preset(key<kMachine, &MachineConfig::memory_gb_s>(
          "machine.memory_gb_s", real, "Bandwidth of a device's memory, in GB/s", size)),
      of_preset(key<kMachine, &MachineConfig::node_devices>(
          "machine.node_devices", integer, "Devices per node", within(1, kMaxDevices))),
      of_preset(key<kMachine, &MachineConfig::within_gb_s>(
          "machine.within_gb_s", real, "Bandwidth between devices of one node, in GB/s", size)),
      of_preset(key<kMachine, &MachineConfig::between_gb_s>(
          "machine.between_gb_s", real, "Bandwidth between devices of two nodes, in GB/s", size)),
      of_preset(
          key<kMachine, &MachineConfig::within_us>("machine.within_us", real,
                                                   "Latency within a node, in microseconds; 0 "
                                                   "without a preset",
                                                   size)),
      of_preset(key<kMachine, &MachineConfig::between_us>(
          "machine.between_us", real, "Latency between nodes, in microseconds; 0 without a preset",
          size)),
  };
}

}  // namespace

const std::vector<ConfigKey>& config_table() {
  static const Keys table = concatenated({run_keys(), model_keys(), parallel_keys(), train_keys(),
                                          data_keys(), trace_and_device_keys(), machine_keys()});
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
