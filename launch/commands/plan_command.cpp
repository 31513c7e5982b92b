#include "launch/commands/plan_command.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

#include "kernels/base/text_table.h"
#include "launch/artifacts/output.h"
#include "launch/config/toml_reader.h"
#include "launch/format/units.h"
#include "launch/report/splits_json.h"
#include "launch/setup/resolve.h"
#include "models/data/token_dataset.h"
#include "models/families/family.h"
#include "stages/plan/split_search.h"

namespace stagecraft {
namespace {

SearchRequest request_of(const ConfigFile& config, const PlanOptions& options) {
  const RunSettings& settings = config.settings;
  return with_locations(config, [&] {
    SearchRequest request{.model = resolved(settings.model, tokenizer_vocab(settings.data)),
                          .batch = settings.batch,
                          .devices = options.devices,
                          .machine = settings.machine};
    if (!options.memory.empty()) {
      constexpr double kGib = 1024.0 * 1024 * 1024;
      request.machine.memory_gib = static_cast<double>(parse_memory(options.memory)) / kGib;
    }
    request.machine = resolved(request.machine, request.batch.precision);
    return request;
  });
}

std::string head(const SearchRequest& request) {
  const ModelConfig& model = request.model;
  const MachineConfig& machine = request.machine;
  return fmt::format(
      "Model     {}: {} layers, hidden {}, {} tokens a sample, {} parameters; {} sequences a "
      "step\n"
      "Machine   {} devices{}, {:.4g} GiB and {:.4g} x {:.4g} TFLOP/s each, {} a node; {:.4g} GB/s "
      "and {:.4g} us within a node, {:.4g} GB/s and {:.4g} us between\n",
      model.family->title, model.layers, model.hidden, model.sequence,
      count_text(make_model(model, 1).parameter_count()), request.batch.global_batch,
      request.devices, machine.preset.empty() ? "" : " of " + machine.preset, machine.memory_gib,
      machine.efficiency, machine.tflops, machine.node_devices, machine.within_gb_s,
      machine.within_us, machine.between_gb_s, machine.between_us);
}

std::string table(const SearchRequest& request, const SplitSearch& found) {
  TextTable table({"", "ms", "tokens/s", "idle", "memory", "pipeline", "tensor", "data", "chunks",
                   "micro-batches", "schedule"});
  const auto tokens = static_cast<double>(request.batch.global_batch * request.model.sequence);
  for (std::size_t i = 0; i < found.best.size(); ++i) {
    const RankedSplit& split = found.best[i];
    table.add({fmt::format("{}", i + 1), fmt::format("{:.1f}", split.step_ms),
               throughput_text(tokens / split.step_ms * 1e3), percent_text(split.bubble),
               bytes_text(split.memory), fmt::format("{}", split.parallel.pipeline),
               fmt::format("{}", split.parallel.tensor), fmt::format("{}", split.parallel.data),
               fmt::format("{}", split.parallel.chunks),
               fmt::format("{} of {}", split.microbatches, split.micro_batch),
               split.parallel.schedule});
  }
  return "\nShortest predicted steps (memory: of the stage with the highest peak)\n" + table.text();
}

std::string others(const SplitSearch& found) {
  std::string text = fmt::format(
      "\n{} splits were considered and {} simulated; the others\n"
      "  {:>7}  cannot be as fast with any schedule: the work of a stage and the time to reach it "
      "take longer\n",
      with_separators(found.considered), with_separators(found.simulated),
      with_separators(found.too_slow));
  for (const auto& [reason, count] : found.rejected) {
    text += fmt::format("  {:>7}  {}\n", with_separators(count), reason);
  }
  return text;
}

std::string toml(const RankedSplit& split, int number) {
  return fmt::format(
      "\nConfiguration lines of split {}\n\n"
      "[parallel]\npipeline = {}\ntensor = {}\ndata = {}\nchunks = {}\nschedule = \"{}\"\n\n"
      "[train]\nmicro_batch = {}\n",
      number, split.parallel.pipeline, split.parallel.tensor, split.parallel.data,
      split.parallel.chunks, split.parallel.schedule, split.micro_batch);
}

}  // namespace

std::int64_t parse_memory(const std::string& text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array kUnits{Unit{"GiB", 1024.0 * 1024 * 1024}, Unit{"GB", 1e9},
                              Unit{"MiB", 1024.0 * 1024}, Unit{"TiB", 1024.0 * 1024 * 1024 * 1024}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : kUnits) {
    constexpr double kMax = 1e9;
    if (error == std::errc{} && name == unit.name && number > 0 && number < kMax) {
      return static_cast<std::int64_t>(number * unit.bytes);
    }
  }
  throw BadInput(
      fmt::format("--memory {}: write a number and its unit, such as 80GiB or 64GB", text));
}

int plan(const PlanOptions& options) {
  const ConfigFile config = read_config(options.config.file, options.config.overrides);
  const SearchRequest request = request_of(config, options);
  const SplitSearch found = search_splits(request);
  if (options.json) {
    print_output(splits_json(request, found));
    return found.best.empty() ? 1 : 0;
  }
  if (found.best.empty()) {
    print_output(head(request) + others(found) +
                 fmt::format("\nNo split over {} devices fits; use more devices or a smaller "
                             "model\n",
                             options.devices));
    return 1;
  }
  const int number = std::min(options.toml, static_cast<int>(found.best.size()));
  print_output(head(request) + table(request, found) + others(found) +
               toml(found.best[static_cast<std::size_t>(number - 1)], number));
  return 0;
}

}  // namespace stagecraft
