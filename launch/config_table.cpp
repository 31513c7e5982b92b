#include "launch/config_table.h"

#include <algorithm>
#include <type_traits>

#include "launch/key_binding.h"
#include "launch/schedule_file.h"
#include "stages/auto_schedule.h"
#include "stages/machine.h"

namespace stagecraft {
namespace {

constexpr double kMostSteps = 2147483647;  // a layer counts steps in 32 bits
constexpr double kMostSize = 1 << 24;      // of a model, along one dimension
constexpr double kMostLayers = 65536;
constexpr double kMostSequences = 1 << 20;  // of a batch
constexpr double kMostRanks = 65536;
constexpr double kLargestSeed = 9007199254740991;  // 2^53 - 1: exact in every JSON reader too

constexpr Range from(double least) { return {.least = least}; }
constexpr Range above(double least) { return {.least = least, .least_open = true}; }
constexpr Range within(double least, double most) { return {.least = least, .most = most}; }
constexpr Range kUnitOpen{.least = 0, .most = 1, .most_open = true};

std::vector<Choice> preset_choices() {
  std::vector<Choice> choices;
  for (const ModelPreset& preset : model_presets()) {
    choices.push_back({std::string(preset.name)});
  }
  return choices;
}

std::vector<Choice> schedule_choices() {
  std::vector<Choice> choices;
  for (const std::string& name : schedule_names()) {
    choices.push_back({name});
  }
  choices.push_back({std::string(kAutoSchedule)});
  choices.push_back({.name = std::string(kScheduleFile), .argument = "PATH"});
  return choices;
}

template <auto Table, auto Field>
ConfigKey key(std::string name, KeyType type, std::string help, Range range = {}) {
  ConfigKey entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.help = std::move(help);
  entry.set = &KeyBinding<Table, Field>::set;
  entry.get = &KeyBinding<Table, Field>::get;
  entry.range = range;
  return entry;
}

ConfigKey needed(ConfigKey entry, Need need = Need::always) {
  entry.need = need;
  return entry;
}

ConfigKey computed(ConfigKey entry, std::string from_what) {
  entry.computed = std::move(from_what);
  return entry;
}

ConfigKey among(ConfigKey entry, std::vector<Choice> choices) {
  entry.choices = std::move(choices);
  return entry;
}

using Keys = std::vector<ConfigKey>;
using enum KeyType;

constexpr auto kSession = &RunSettings::session;
constexpr auto kModel = &RunSettings::model;
constexpr auto kParallel = &RunSettings::parallel;
constexpr auto kBatch = &RunSettings::batch;
constexpr auto kOptimizer = &RunSettings::optimizer;
constexpr auto kData = &RunSettings::data;

void add_run(Keys& keys) {
  keys.push_back(computed(
      key<kSession, &SessionConfig::directory>(
          "run.directory", text, "Where the run leaves its files; must be new or empty"),
      "runs/NAME, NAME being the configuration's without its ending; runs/NAME-2, ... when taken"));
  keys.push_back(among(key<kSession, &SessionConfig::mode>(
                           "run.mode", choice, "Actors as threads of one process, or as processes"),
                       {{"threads"}, {"mpi"}}));
  keys.push_back(
      among(key<kSession, &SessionConfig::transport>(
                "run.transport", choice,
                "How bytes go between processes: by shared windows within a node, or all by MPI"),
            {{"auto"}, {"window"}, {"mpi"}}));
  keys.push_back(key<kSession, &SessionConfig::watchdog_seconds>(
      "run.watchdog_seconds", real,
      "An instruction without progress for so long ends the run, naming who waits for what",
      above(0)));
}

void add_model_source(Keys& keys) {
  keys.push_back(
      needed(among(key<kModel, &ModelConfig::family>("model.family", choice, "The architecture"),
                   {{"gpt"}, {"bert", false}})));
  ConfigKey preset = among(
      key<kModel, &ModelConfig::preset>(
          "model.preset", choice, "A published model's sizes; sizes given beside it replace its"),
      preset_choices());
  keys.push_back(computed(std::move(preset), "none"));
}

void add_model(Keys& keys) {
  add_model_source(keys);
  const Range size = within(1, kMostSize);
  const Need need = Need::without_preset;
  keys.push_back(needed(key<kModel, &ModelConfig::layers>(
                            "model.layers", integer, "Transformer blocks", within(1, kMostLayers)),
                        need));
  keys.push_back(needed(key<kModel, &ModelConfig::hidden>("model.hidden", integer,
                                                          "Width of the residual stream", size),
                        need));
  keys.push_back(
      needed(key<kModel, &ModelConfig::heads>(
                 "model.heads", integer,
                 "Attention heads; divides hidden, and parallel.tensor divides it", size),
             need));
  keys.push_back(needed(
      key<kModel, &ModelConfig::sequence>("model.sequence", integer, "Tokens per sample", size),
      need));
  keys.push_back(computed(
      key<kModel, &ModelConfig::vocab>(
          "model.vocab", integer, "Tokens that the model knows; at least the tokenizer's", size),
      "the preset's, else the tokenizer's"));
  keys.push_back(key<kModel, &ModelConfig::dropout>(
      "model.dropout", real,
      "Probability of dropping, in embedding, attention and both residual branches", kUnitOpen));
  keys.push_back(computed(
      key<kModel, &ModelConfig::init_from>(
          "model.init_from", text, "Folder of a GPT-2 in the hub's format, float32, to start from"),
      "none: random weights"));
}

void add_parallel(Keys& keys) {
  const Range ranks = within(1, kMostRanks);
  keys.push_back(key<kParallel, &ParallelConfig::pipeline>(
      "parallel.pipeline", integer, "Pipeline stages; at most model.layers", ranks));
  keys.push_back(key<kParallel, &ParallelConfig::tensor>(
      "parallel.tensor", integer, "Ranks that share each layer; divides model.heads", ranks));
  keys.push_back(key<kParallel, &ParallelConfig::data>(
      "parallel.data", integer, "Ranks that share each batch; divides train.global_batch", ranks));
  keys.push_back(key<kParallel, &ParallelConfig::chunks>(
      "parallel.chunks", integer,
      "Runs of layers per stage; more than 1 with interleaved and looped-bfs, 2 with zb-v and "
      "dualpipe-v",
      within(1, kMostLayers)));
  keys.push_back(among(
      key<kParallel, &ParallelConfig::schedule>(
          "parallel.schedule", choice,
          "The order of forwards and backwards; PATH, of a program as text or CSV, is relative "
          "to the configuration, with --set to the current directory"),
      schedule_choices()));
  keys.push_back(
      key<kParallel, &ParallelConfig::memory_gib>("parallel.memory_gib", real,
                                                  "Memory that one rank may hold: what plans more "
                                                  "is refused, and auto keeps to it; 0: no limit",
                                                  from(0)));
  keys.push_back(key<kParallel, &ParallelConfig::partition>(
      "parallel.partition", block_list,
      "Transformer blocks per chunk, or by cost; the embedding joins the first chunk, norm and "
      "head the last",
      within(1, kMostLayers)));
}

void add_batch(Keys& keys) {
  const Range size = within(1, kMostSequences);
  keys.push_back(needed(key<kOptimizer, &OptimizerConfig::steps>(
      "train.steps", integer, "Optimizer steps", within(1, kMostSteps))));
  keys.push_back(needed(key<kBatch, &BatchConfig::global_batch>(
      "train.global_batch", integer, "Sequences per step over all data ranks", size)));
  keys.push_back(needed(key<kBatch, &BatchConfig::micro_batch>(
      "train.micro_batch", integer,
      "Sequences of one micro-batch on one data rank; parallel.data times it divides global_batch",
      size)));
  keys.push_back(among(
      key<kBatch, &BatchConfig::precision>(
          "train.precision", choice,
          "How layers compute: tf32 rounds the factors of matrix products, bf16 keeps activations "
          "and a copy of the weights in bfloat16; on GPUs, bf16 also where the processor has it"),
      {{"float32"}, {"tf32"}, {"bf16"}}));
}

void add_optimizer(Keys& keys) {
  keys.push_back(key<kOptimizer, &OptimizerConfig::learning_rate>(
      "train.learning_rate", real, "The highest learning rate, after warm-up", above(0)));
  keys.push_back(key<kOptimizer, &OptimizerConfig::min_learning_rate>(
      "train.min_learning_rate", real,
      "Where the cosine ends, at the last step; at most learning_rate", from(0)));
  keys.push_back(key<kOptimizer, &OptimizerConfig::warmup_steps>(
      "train.warmup_steps", integer, "Steps of linear warm-up; at most steps",
      within(0, kMostSteps)));
  keys.push_back(key<kOptimizer, &OptimizerConfig::beta1>(
      "train.beta1", real, "AdamW's decay of the first moment", kUnitOpen));
  keys.push_back(key<kOptimizer, &OptimizerConfig::beta2>(
      "train.beta2", real, "AdamW's decay of the second moment", kUnitOpen));
  keys.push_back(key<kOptimizer, &OptimizerConfig::epsilon>(
      "train.epsilon", real, "AdamW's addition to the denominator", above(0)));
  keys.push_back(key<kOptimizer, &OptimizerConfig::weight_decay>(
      "train.weight_decay", real,
      "Decoupled decay of every parameter of two dimensions, embeddings included", from(0)));
  keys.push_back(key<kOptimizer, &OptimizerConfig::clip>(
      "train.clip", real, "Largest global gradient norm; 0 switches clipping off", from(0)));
}

void add_train(Keys& keys) {
  add_batch(keys);
  add_optimizer(keys);
  keys.push_back(key<kSession, &SessionConfig::seed>("train.seed", integer,
                                                     "Of starting weights, dropout and data order",
                                                     within(0, kLargestSeed)));
  keys.push_back(key<kSession, &SessionConfig::eval_every>(
      "train.eval_every", integer, "Steps between evaluations; 0: only at the end",
      within(0, kMostSteps)));
  keys.push_back(key<kSession, &SessionConfig::eval_batches>(
      "train.eval_batches", integer,
      "Batches of global_batch samples that every evaluation reads, the last one too; 0: all",
      within(0, kMostSteps)));
}

void add_data(Keys& keys) {
  ConfigKey train = needed(key<kData, &DataConfig::train>(
      "data.train", text_list,
      "Files or directories to train on; a directory means its regular files by name, links left "
      "out; joined with nothing between"));
  train.least_entries = 1;
  keys.push_back(std::move(train));
  keys.push_back(computed(
      key<kData, &DataConfig::validation>("data.validation", text_list,
                                          "Files or directories to validate on; not beside "
                                          "validation_fraction"),
      "the last part of the training text"));
  keys.push_back(key<kData, &DataConfig::validation_fraction>(
      "data.validation_fraction", real,
      "Share of the training text, at its end, that is kept for validation; 0: none", kUnitOpen));
  keys.push_back(
      among(key<kData, &DataConfig::tokenizer>("data.tokenizer", choice, "How text becomes tokens"),
            {{"bytes"}}));
  keys.push_back(among(key<kData, &DataConfig::order>(
                           "data.order", choice,
                           "A permutation per epoch that follows from the seed, or the text's own"),
                       {{"shuffled"}, {"sequential"}}));
}

void add_trace_and_device(Keys& keys) {
  keys.push_back(computed(key<kSession, &SessionConfig::trace_file>(
                              "trace.file", text, "Trace for Perfetto; \"\" writes none"),
                          "trace.json in the run directory"));
  keys.push_back(key<kSession, &SessionConfig::trace_steps>(
      "trace.steps", integer, "How many first steps the trace holds", within(0, kMostSteps)));
  keys.push_back(key<kSession, &SessionConfig::trace_calibrate>(
      "trace.calibrate", boolean,
      "Predict the traced steps from costs that the first of them show, unless trace.cost is "
      "given"));
  keys.push_back(computed(
      key<kSession, &SessionConfig::trace_cost>("trace.cost", text,
                                                "Predict the traced steps from these costs in "
                                                "milliseconds, as \"F=1.5,B=3:4,U=2\", and let "
                                                "parallel.schedule = \"auto\" search by them "
                                                "(docs/prediction.md)"),
      "none"));
  keys.push_back(among(
      key<kSession, &SessionConfig::backend>(
          "device.backend", choice,
          "What computes; auto: GPUs where every actor has one of its own, else the CPU; with "
          "cuda actors share what there are"),
      {{"auto"}, {"cpu"}, {"cuda"}}));
  keys.push_back(
      computed(key<kSession, &SessionConfig::threads>(
                   "device.threads", integer, "Threads per actor, on the CPU", within(1, 4096)),
               "cores / actors, at least 1"));
}

std::vector<Choice> machine_choices() {
  std::vector<Choice> choices;
  for (const MachinePreset& preset : machine_presets()) {
    choices.push_back({std::string(preset.name)});
  }
  return choices;
}

void add_machine(Keys& keys) {
  constexpr auto kMachine = &RunSettings::machine;
  const auto of_preset = [](ConfigKey entry) { return computed(std::move(entry), "the preset's"); };
  const Range size = above(0);
  keys.push_back(computed(
      among(key<kMachine, &MachineConfig::preset>(
                "machine.preset", choice,
                "A known machine, for stagecraft plan; values given beside it replace its"),
            machine_choices()),
      "none"));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::memory_gib>(
      "machine.memory_gib", real, "Memory of a device that a program can use, in GiB", size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::tflops>(
      "machine.tflops", real, "Peak of a device's matrix products, in TFLOP/s", size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::efficiency>(
      "machine.efficiency", real, "Share of the peak that products of a layer's size reach",
      Range{.least = 0, .most = 1, .least_open = true})));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::memory_gb_s>(
      "machine.memory_gb_s", real, "Bandwidth of a device's memory, in GB/s", size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::node_devices>(
      "machine.node_devices", integer, "Devices of a node", within(1, kMostRanks))));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::within_gb_s>(
      "machine.within_gb_s", real, "From a device to another of its node, in GB/s", size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::between_gb_s>(
      "machine.between_gb_s", real, "From a device to one of another node, in GB/s", size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::within_us>(
      "machine.within_us", real,
      "What the smallest message takes within a node, in microseconds; without a preset nothing",
      size)));
  keys.push_back(of_preset(key<kMachine, &MachineConfig::between_us>(
      "machine.between_us", real,
      "What it takes between nodes, in microseconds; without a preset nothing", size)));
}

Keys make_table() {
  Keys keys;
  add_run(keys);
  add_model(keys);
  add_parallel(keys);
  add_train(keys);
  add_data(keys);
  add_trace_and_device(keys);
  add_machine(keys);
  return keys;
}

}  // namespace

const std::vector<ConfigKey>& config_table() {
  static const Keys table = make_table();
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
