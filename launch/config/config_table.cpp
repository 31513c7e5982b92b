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

constexpr double kMaxDevices = 65536;  // of a node

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
      computed(key<kSession, &SessionConfig::directory>(
                   "run.directory", text, "Where the run leaves its files; must be new or empty"),
               "runs/NAME, NAME being the configuration's without its ending; runs/NAME-2, ... "
               "when taken"),
      among(key<kSession, &SessionConfig::mode>(
                "run.mode", choice, "Actors as threads of one process, or as processes"),
            {{"threads"}, {"mpi"}}),
      among(key<kSession, &SessionConfig::transport>(
                "run.transport", choice,
                "How bytes go between processes: by shared windows within a node, or all by MPI"),
            {{"auto"}, {"window"}, {"mpi"}}),
      key<kRun, &RunOptions::watchdog_seconds>(
          "run.watchdog_seconds", real,
          "An instruction without progress for so long ends the run, naming who waits for what",
          above(0)),
  };
}

Keys parallel_keys() {
  const Range ranks = within(1, kMaxRanks);
  return {
      key<kParallel, &ParallelConfig::pipeline>("parallel.pipeline", integer,
                                                "Pipeline stages; at most model.layers", ranks),
      key<kParallel, &ParallelConfig::tensor>(
          "parallel.tensor", integer, "Ranks that share each layer; divides model.heads", ranks),
      key<kParallel, &ParallelConfig::data>(
          "parallel.data", integer, "Ranks that share each batch; divides train.global_batch",
          ranks),
      key<kParallel, &ParallelConfig::chunks>(
          "parallel.chunks", integer,
          "Runs of layers per stage; more than 1 with interleaved and looped-bfs, 2 with zb-v and "
          "dualpipe-v",
          within(1, kMaxLayers)),
      among(
          key<kParallel, &ParallelConfig::schedule>(
              "parallel.schedule", choice,
              "The order of forwards and backwards; PATH, of a program as text or CSV, is relative "
              "to the configuration, with --set to the current directory"),
          schedule_choices()),
      key<kParallel, &ParallelConfig::memory_gib>("parallel.memory_gib", real,
                                                  "Memory that one rank may hold: what plans more "
                                                  "is refused, and auto keeps to it; 0: no limit",
                                                  from(0)),
      key<kParallel, &ParallelConfig::partition>(
          "parallel.partition", block_list,
          "Transformer blocks per chunk, or by cost; the embedding joins the first chunk, norm and "
          "head the last",
          within(1, kMaxLayers)),
  };
}

Keys trace_and_device_keys() {
  return {
      computed(key<kSession, &SessionConfig::trace_file>("trace.file", text,
                                                         "Trace for Perfetto; \"\" writes none"),
               "trace.json in the run directory"),
      key<kSession, &SessionConfig::trace_steps>(
          "trace.steps", integer, "How many first steps the trace holds", within(0, kMaxSteps)),
      key<kSession, &SessionConfig::trace_calibrate>(
          "trace.calibrate", boolean,
          "Predict the traced steps from costs that the first of them show, unless trace.cost is "
          "given"),
      computed(key<kSession, &SessionConfig::trace_cost>(
                   "trace.cost", text,
                   "Predict the traced steps from these costs in milliseconds, as "
                   "\"F=1.5,B=[3,4],U=2\", "
                   "and let parallel.schedule = \"auto\" search by them (docs/prediction.md)"),
               "none"),
      among(
          key<kSession, &SessionConfig::backend>(
              "device.backend", choice,
              "What computes; auto: GPUs where every actor has one of its own, else the CPU; with "
              "cuda actors share what there are"),
          {{"auto"}, {"cpu"}, {"cuda"}}),
      computed(key<kSession, &SessionConfig::threads>(
                   "device.threads", integer, "Threads per actor, on the CPU", within(1, 4096)),
               "cores / actors, at least 1"),
  };
}

Keys machine_keys() {
  const auto of_preset = [](ConfigKey entry) { return computed(std::move(entry), "the preset's"); };
  const Range size = above(0);
  return {
      computed(
          among(key<kMachine, &MachineConfig::preset>(
                    "machine.preset", choice,
                    "A known machine, for stagecraft plan; values given beside it replace its"),
                choices_of(machine_presets())),
          "none"),
      of_preset(key<kMachine, &MachineConfig::memory_gib>(
          "machine.memory_gib", real, "Memory of a device that a program can use, in GiB", size)),
      of_preset(key<kMachine, &MachineConfig::tflops>(
          "machine.tflops", real, "Peak of a device's matrix products, in TFLOP/s", size)),
      of_preset(key<kMachine, &MachineConfig::efficiency>(
          "machine.efficiency", real, "Share of the peak that products of a layer's size reach",
          Range{.least = 0, .most = 1, .least_open = true})),
      of_preset(key<kMachine, &MachineConfig::memory_gb_s>(
          "machine.memory_gb_s", real, "Bandwidth of a device's memory, in GB/s", size)),
      of_preset(key<kMachine, &MachineConfig::node_devices>(
          "machine.node_devices", integer, "Devices of a node", within(1, kMaxDevices))),
      of_preset(key<kMachine, &MachineConfig::within_gb_s>(
          "machine.within_gb_s", real, "From a device to another of its node, in GB/s", size)),
      of_preset(key<kMachine, &MachineConfig::between_gb_s>(
          "machine.between_gb_s", real, "From a device to one of another node, in GB/s", size)),
      of_preset(
          key<kMachine, &MachineConfig::within_us>("machine.within_us", real,
                                                   "What the smallest message takes within a node, "
                                                   "in microseconds; without a preset nothing",
                                                   size)),
      of_preset(key<kMachine, &MachineConfig::between_us>(
          "machine.between_us", real,
          "What it takes between nodes, in microseconds; without a preset nothing", size)),
  };
}

}  // namespace

const std::vector<ConfigKey>& config_table() {
  static const Keys table = joined({run_keys(), model_keys(), parallel_keys(), train_keys(),
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
