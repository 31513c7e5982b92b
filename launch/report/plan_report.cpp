#include "launch/report/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernels/base/text_table.h"
#include "launch/format/units.h"
#include "launch/report/attention_lines.h"
#include "models/families/family.h"
#include "stages/plan/communication.h"
#include "stages/plan/saved_parts.h"
#include "stages/predict/text_diagram.h"

namespace stagecraft {
namespace {

constexpr std::string_view kBlock = "block ";

std::string start_of_weights(const ModelConfig& model, std::int64_t step) {
  if (step > 0) {
    return fmt::format("weights and moments of step {}", step);
  }
  return model.init_from.empty() ? "random weights" : fmt::format("weights of {}", model.init_from);
}

std::string model_lines(const ResolvedRun& run, std::int64_t step) {
  const ModelConfig& model = run.plan.model.config;
  const std::string start = start_of_weights(model, step);
  return fmt::format(
      "Model     {}: {} layers, hidden {}, {} heads, {} tokens a sample, vocabulary {}, dropout "
      "{}\n"
      "          {} parameters, {}\n",
      model.family->title, model.layers, model.hidden, model.heads, model.sequence,
      with_separators(model.vocab), model.dropout,
      with_separators(run.plan.model.parameter_count()), start);
}

std::string text_lines(const ResolvedRun& run, const TextData& text) {
  const std::int64_t steps = run.settings.optimizer.steps;
  const double samples =
      static_cast<double>(steps) * static_cast<double>(run.settings.batch.global_batch);
  const std::string validation =
      text.validation == nullptr
          ? "none"
          : fmt::format("{} tokens in {} samples", with_separators(text.validation->tokens()),
                        with_separators(text.validation->samples()));
  return fmt::format(
      "Text      {} tokens in {} samples; for validation {}\n"
      "Training  {} steps of {} sequences, {:.2f} times through the text\n",
      with_separators(text.train->tokens()), with_separators(text.train->samples()), validation,
      with_separators(steps), run.settings.batch.global_batch,
      samples / static_cast<double>(text.train->samples()));
}

std::string device_line(const ResolvedRun& run) {
  const std::string devices = devices_text(run.devices);
  const std::string cores = run.devices.on_gpus()
                                ? ""
                                : fmt::format(" ({} core{})", run.cores, run.cores == 1 ? "" : "s");
  return run.devices.open ? fmt::format("Devices   {}: {}{}\n", devices, run.devices.why, cores)
                          : fmt::format("Devices   {}{}: {}\n", devices, cores, run.devices.why);
}

std::string split_lines(const ResolvedRun& run) {
  const TrainingPlan& plan = run.plan;
  return fmt::format(
      "Split     pipeline {} x tensor {} x data {}: {} actor{} with {} thread{} each\n"
      "{}{}"
      "Schedule  {}, {} micro-batch{} of {} sequence{} on each data rank\n",
      plan.mesh.pipeline, plan.mesh.tensor, plan.mesh.data, plan.mesh.ranks(),
      plan.mesh.ranks() == 1 ? "" : "s", run.settings.session.threads,
      run.settings.session.threads == 1 ? "" : "s", device_line(run),
      attention_lines(run, has_cudnn()), plan.parallel.schedule, plan.microbatches,
      plan.microbatches == 1 ? "" : "es", plan.batch.micro_batch,
      plan.batch.micro_batch == 1 ? "" : "s");
}

std::string stage_layers(const TrainingPlan& plan, int stage) {
  std::vector<std::string> texts;
  for (const LayerRange& range : ranges_of(plan.chunks, plan.program.stage_of_chunk, stage)) {
    texts.push_back(layers_text(plan.model, range));
  }
  return fmt::format("{}", fmt::join(texts, " | "));
}

std::string stage_ranks(const TrainingPlan& plan, int stage) {
  const int first = rank_at(plan.mesh, {.pipeline = stage});
  const int last = first + plan.mesh.data * plan.mesh.tensor - 1;
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

std::string ownership(const TrainingPlan& plan) {
  TextTable table({"stage", "ranks", "parameters", "GFLOP", "live", "layers"});
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    table.add({fmt::format("{}", stage), stage_ranks(plan, stage),
               with_separators(stage_parameters(plan, stage)),
               fmt::format("{:.1f}", plan.stage_flops[stage] * 1e-9),
               fmt::format("{}", plan.verdict.peaks[stage].activations),
               stage_layers(plan, stage)});
  }
  return "\nStages (GFLOP: per rank and step; live: peak number of micro-batches with activations "
         "in memory)\n" +
         table.text();
}

std::string memory_table(const TrainingPlan& plan) {
  TextTable table(
      {"stage", "weights", "gradients", "optimizer", "activations", "slots", "workspace", "total"});
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    const StageMemory& memory = plan.memory[stage];
    table.add({fmt::format("{}", stage), bytes_text(memory.weights), bytes_text(memory.gradients),
               bytes_text(memory.optimizer),
               bytes_text(memory.saved_activations + memory.weight_stashes),
               bytes_text(memory.transfer_slots), bytes_text(memory.workspace),
               bytes_text(memory.total())});
  }
  return "\nPeak memory of one rank\n" + table.text();
}

/// What snapshots take of the host, beside the memory of the ranks. A stage's tensor rank 0 saves
/// most.
std::string snapshot_line(const ResolvedRun& run) {
  const CheckpointConfig& checkpoint = run.settings.checkpoint;
  if (checkpoint.directory == "" || !checkpoint.periodic()) {
    return "";
  }
  std::int64_t bytes = 0;
  for (int stage = 0; stage < run.plan.mesh.pipeline; ++stage) {
    for (int data = 0; data < run.plan.mesh.data; ++data) {
      const int rank = rank_at(run.plan.mesh, {.pipeline = stage, .tensor = 0, .data = data});
      bytes = std::max(bytes, snapshot_bytes(run.plan, rank));
    }
  }
  return fmt::format("checkpoint: up to {} of {}host memory a rank\n", bytes_text(bytes),
                     run.devices.on_gpus() ? "pinned " : "");
}

std::string communication_lines(const TrainingPlan& plan) {
  const CommunicationBytes sent = communication_of(plan);
  return fmt::format(
      "\nCommunication per step, over all ranks: pipeline {}, tensor {}, data {}, tied {}\n",
      bytes_text(sent.pipeline), bytes_text(sent.tensor), bytes_text(sent.data),
      bytes_text(sent.tied));
}

std::string schedule_lines(const TrainingPlan& plan, int columns) {
  const TextDiagram picture = draw(plan.program, columns);
  return fmt::format(
      "\nOne step (one row per stage; a forward takes one unit of time, a backward two)\n{}{}"
      "idle {} of the time by the schedule alone, {} with the FLOPs of this partition\n"
      "Verdict   proven: every execution of this program ends\n",
      picture.text, picture.text.ends_with('\n') ? "" : "\n", percent_text(picture.bubble),
      percent_text(planned_bubble(plan)));
}

}  // namespace

std::string layers_text(const ModelSpec& model, const LayerRange& range) {
  std::vector<std::string> parts;
  for (int layer = range.first; layer < range.last;) {
    const std::string& name = model.layers[layer].name;
    int end = layer + 1;
    if (!name.starts_with(kBlock)) {
      parts.push_back(name);
      layer = end;
      continue;
    }
    while (end < range.last && model.layers[end].name.starts_with(kBlock)) {
      ++end;
    }
    const std::string last = model.layers[end - 1].name.substr(kBlock.size());
    parts.push_back(
        end == layer + 1 ? name : fmt::format("blocks {}-{}", name.substr(kBlock.size()), last));
    layer = end;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::int64_t stage_parameters(const TrainingPlan& plan, int stage) {
  const std::vector<LayerRange> ranges = ranges_of(plan.chunks, plan.program.stage_of_chunk, stage);
  std::int64_t count = 0;
  for (const ParameterSpec& parameter : parameters_of(uses_of(plan.model, ranges))) {
    count += elements_of(parameter.shape);
  }
  return count;
}

double planned_bubble(const TrainingPlan& plan) {
  return simulate(plan.program, flop_costs(plan)).bubble;
}

std::string plan_report(const ResolvedRun& run, const TextData& text, int columns,
                        std::int64_t step) {
  return model_lines(run, step) + text_lines(run, text) + split_lines(run) + ownership(run.plan) +
         memory_table(run.plan) + snapshot_line(run) + communication_lines(run.plan) +
         schedule_lines(run.plan, columns);
}

}  // namespace stagecraft
