#include "launch/setup/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernels/backends/host_devices.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/checks.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/config_table.h"
#include "launch/config/cost_option.h"
#include "launch/config/schedule_file.h"
#include "launch/config/settings.h"
#include "launch/setup/device_memory_check.h"
#include "models/families/family.h"

namespace stagecraft {
namespace {

void check_learning_rate(const OptimizerConfig& train) {
  const bool decays = train.decay_steps > 0;
  const std::int64_t end = decays ? train.decay_steps : train.steps;
  if (train.warmup_steps > end) {
    const char* const name = decays ? "decay_steps" : "steps";
    throw ConfigError(fmt::format("train.warmup_steps train.{}", name),
                      fmt::format("warmup_steps is {} and {} is {}; the warm-up comes before the "
                                  "decay, so lower warmup_steps or raise {}",
                                  train.warmup_steps, name, end, name));
  }
  if (train.min_learning_rate > train.learning_rate) {
    throw ConfigError("train.min_learning_rate train.learning_rate",
                      fmt::format("min_learning_rate is {} and learning_rate is {}; the rate falls "
                                  "to min_learning_rate, so lower min_learning_rate",
                                  train.min_learning_rate, train.learning_rate));
  }
}

void check_validation(const ConfigFile& config) {
  const DataConfig& data = config.settings.data;
  const RunOptions& run = config.settings.run;
  if (!data.validation.empty() && config.has("data.validation_fraction")) {
    throw ConfigError("data.validation data.validation_fraction",
                      "validation names separate texts and validation_fraction takes a part of "
                      "the training text; keep one of the two");
  }
  const bool none = data.validation.empty() && data.validation_fraction == 0;
  if (none && (run.eval_every > 0 || run.eval_batches > 0)) {
    throw ConfigError("train.eval_every train.eval_batches data.validation_fraction",
                      "there is no text to evaluate on; raise validation_fraction, name texts in "
                      "data.validation, or remove eval_every and eval_batches");
  }
}

/// Parses trace.cost before the run starts, since a mistake in it should not show at the end.
std::optional<CostTable> given_costs(const RunSettings& settings) {
  const std::string& words = settings.session.trace_cost;
  try {
    return words.empty()
               ? std::optional<CostTable>()
               : parse_cost_option(words, settings.parallel.pipeline * settings.parallel.chunks);
  } catch (const Error& error) {
    throw ConfigError("trace.cost parallel.pipeline parallel.chunks", std::string(error.text()));
  }
}

int ranks_of(const ParallelConfig& parallel) {
  const std::int64_t ranks =
      std::int64_t{parallel.pipeline} * parallel.tensor * std::int64_t{parallel.data};
  if (ranks > kMaxRanks) {
    throw ConfigError(
        "parallel.pipeline parallel.tensor parallel.data",
        fmt::format("{} x {} x {} are {} ranks, more than the {} that a run can have; "
                    "lower one of the sizes",
                    parallel.pipeline, parallel.tensor, parallel.data, ranks, kMaxRanks));
  }
  return static_cast<int>(ranks);
}

std::string source_of(const ConfigFile& config, const ConfigKey& key) {
  const auto location = config.locations.find(key.name);
  if (location != config.locations.end()) {
    return location->second.text;
  }
  const bool size = key.need == Need::without_preset || key.name == "model.vocab";
  if (size && !config.settings.model.preset.empty()) {
    return "preset " + config.settings.model.preset;
  }
  return key.computed.empty() ? "default" : "default: " + key.computed;
}

void fill_session(const ConfigFile& config, int cores, int actors, RunSettings& settings) {
  std::filesystem::path directory = config.settings.session.directory;
  if (directory.empty()) {
    directory = free_run_directory(kRuns, run_name(config));
  }
  enter_directory(config, directory, settings);
  if (settings.session.threads == 0) {
    settings.session.threads = std::max(1, cores / actors);
  }
}

/// Makes the plan from the schedule's name, or from the file that parallel.schedule names.
TrainingPlan plan_of(const ConfigFile& config, const RunSettings& settings) {
  const ModelSpec model = make_model(settings.model, settings.parallel.tensor);
  const std::optional<CostTable> costs = given_costs(settings);
  const std::filesystem::path file = schedule_file(config);
  if (file.empty()) {
    return make_plan(model, settings.parallel, settings.batch, costs);
  }
  const WrittenProgram written = [&] {
    try {
      return read_schedule_file(file);
    } catch (const Error& unreadable) {
      throw ConfigError("parallel.schedule",
                        fmt::format("{}; name a program as text or CSV", unreadable.what()));
    }
  }();
  ParallelConfig parallel = settings.parallel;
  parallel.schedule = file.string();
  return make_plan(model, parallel, settings.batch, written.program, locations_in(file, written));
}

/// Writes the choice of "auto" to the settings, and its reason to the sources.
void settle_backend(ResolvedRun& run) {
  std::string& backend = run.settings.session.backend;
  if (backend == "auto" && !run.devices.open) {
    backend = run.devices.on_gpus() ? "cuda" : "cpu";
    run.sources["device.backend"] += "; auto: " + run.devices.why;
  }
}

/// Why the CPU does not support `precision`; empty if it does.
std::string fault_of_cpu(Precision precision) {
  if (precision == Precision::tf32) {
    return "which has no tf32";
  }
  const std::string_view reason = without_bfloat16(*make_stream({}, {}));
  return precision == Precision::float32 || reason.empty() ? std::string()
                                                           : fmt::format("and {}", reason);
}

/// Refuses a precision that the chosen CPU lacks. Accepts an open choice: the run may find GPUs.
void check_precision(const ConfigFile& config, const DeviceChoice& choice) {
  if (choice.on_gpus() || choice.open) {
    return;
  }
  const std::string fault = fault_of_cpu(config.settings.batch.precision);
  if (!fault.empty()) {
    throw ConfigError("train.precision device.backend",
                      fmt::format("this run computes on the CPU ({}), {}; set train.precision = "
                                  "\"float32\", or use a GPU",
                                  choice.why, fault));
  }
}

ResolvedRun resolve_checked(const ConfigFile& config, int cores, const CountGpus& count_gpus,
                            const GpuSharing& sharing) {
  check_rules(config);
  ResolvedRun run;
  run.cores = cores;
  run.settings = config.settings;
  RunSettings& settings = run.settings;
  const int actors = ranks_of(settings.parallel);
  settings.model = resolved(settings.model, tokenizer_vocab(settings.data));
  run.plan = plan_of(config, settings);
  if (const std::filesystem::path file = schedule_file(config); !file.empty()) {
    settings.parallel.schedule =
        fmt::format("{}{}", kScheduleFile, std::filesystem::absolute(file).string());
  }
  fill_session(config, cores, actors, settings);
  if (settings.optimizer.decay_steps == 0) {
    settings.optimizer.decay_steps = settings.optimizer.steps;
  }
  for (const ConfigKey& key : config_table()) {
    run.sources[key.name] = source_of(config, key);
  }
  run.devices = choose_devices(settings.session, actors, count_gpus, sharing);
  if (count_gpus && !run.devices.on_gpus()) {
    run.devices.bytes = count_devices(DeviceKind::cpu).bytes;
  }
  check_device_memory(run.plan, settings.session, run.devices, sharing);
  check_precision(config, run.devices);
  settle_backend(run);
  return run;
}

}  // namespace

std::string run_name(const ConfigFile& config) {
  return std::filesystem::path(config.name).stem().string();
}

void enter_directory(const ConfigFile& config, const std::filesystem::path& directory,
                     RunSettings& settings) {
  settings.session.directory = directory.string();
  if (!config.settings.session.trace_file) {
    settings.session.trace_file = (directory / "trace.json").string();
  }
  if (!config.settings.checkpoint.directory) {
    settings.checkpoint.directory = checkpoints_folder(directory).string();
  }
}

void check_rules(const ConfigFile& config) {
  check_learning_rate(config.settings.optimizer);
  check_validation(config);
}

ResolvedRun resolve(const ConfigFile& config, int cores, const CountGpus& count_gpus,
                    const GpuSharing& sharing) {
  return with_locations(config,
                        [&] { return resolve_checked(config, cores, count_gpus, sharing); });
}

}  // namespace stagecraft
