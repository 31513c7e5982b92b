#include "stages/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "stages/channel.h"

namespace stagecraft {
namespace {

int microbatches_of(const ParallelConfig& parallel, const BatchConfig& batch) {
  const std::int64_t per_step = batch.micro_batch * parallel.data;
  if (per_step < 1 || batch.global_batch % per_step != 0) {
    throw ConfigError(
        "train.global_batch train.micro_batch parallel.data",
        fmt::format("a global batch of {} sequences cannot be divided into "
                    "micro-batches of {} on each of {} data ranks; make it a multiple "
                    "of {}",
                    batch.global_batch, batch.micro_batch, parallel.data, per_step));
  }
  return static_cast<int>(batch.global_batch / per_step);
}

Program schedule_of(const ParallelConfig& parallel, int microbatches) {
  const std::vector<std::string>& names = schedule_names();
  if (std::find(names.begin(), names.end(), parallel.schedule) == names.end()) {
    throw ConfigError("parallel.schedule",
                      fmt::format("\"{}\" is no schedule; the schedules are {}", parallel.schedule,
                                  fmt::join(names, ", ")));
  }
  try {
    return build_schedule(
        parallel.schedule,
        {.stages = parallel.pipeline, .microbatches = microbatches, .chunks = parallel.chunks});
  } catch (const Error& outside) {
    throw ConfigError(
        "parallel.schedule parallel.chunks parallel.pipeline train.global_batch train.micro_batch",
        std::string(outside.text()));
  }
}

void check_sizes(const Program& compute, const ParallelConfig& parallel, int microbatches) {
  const auto stages = static_cast<int>(compute.stages.size());
  const int chunks = parallel.pipeline * parallel.chunks;
  if (stages != parallel.pipeline || compute.chunks != chunks ||
      compute.microbatches != microbatches) {
    throw ConfigError(
        "parallel.schedule parallel.pipeline parallel.chunks train.global_batch",
        fmt::format("{} is a program of {} stages, {} chunks and {} micro-batches where the "
                    "configuration has {}, {} (stages x chunks per stage) and {}; change one of "
                    "them",
                    parallel.schedule, stages, compute.chunks, compute.microbatches,
                    parallel.pipeline, chunks, microbatches));
  }
}

double flops_of(const LayerCost& work) {
  return work.forward_flops + work.backward_input_flops + work.backward_weight_flops;
}

/// Micro-batches' tokens and targets, which the first and the last chunk keep until the step's end.
std::int64_t token_bytes(const TrainingPlan& plan, int chunk) {
  const bool reads = chunk == 0 || chunk + 1 == plan.program.chunks;
  return reads ? 2 * 4 * plan.microbatches * plan.batch.micro_batch * plan.model.sequence : 0;
}

void add_uses(const TrainingPlan& plan, const LayerRange& range, std::vector<ParameterUse>& uses) {
  for (int i = range.first; i < range.last; ++i) {
    const auto& layer = plan.model.layers[static_cast<std::size_t>(i)].parameters;
    uses.insert(uses.end(), layer.begin(), layer.end());
  }
}

/// What does not depend on the program's order.
void add_stage(TrainingPlan& plan, int stage, const std::vector<Edge>& edges) {
  StageMemory memory;
  std::vector<ParameterUse> uses;
  double flops = 0;
  for (std::size_t chunk = 0; chunk < plan.chunks.size(); ++chunk) {
    if (plan.program.stage_of_chunk[chunk] == stage) {
      add_uses(plan, plan.chunks[chunk], uses);
      memory.workspace += token_bytes(plan, static_cast<int>(chunk));
      flops += flops_of(plan.work[chunk]) * plan.microbatches;
    }
  }
  const ParameterBytes parameters = parameter_bytes(uses, 0, plan.mesh.tensor);
  memory.weights = parameters.weights;
  memory.gradients = parameters.gradients;
  memory.optimizer = parameters.optimizer;
  const auto inputs = std::count_if(edges.begin(), edges.end(),
                                    [&](const Edge& edge) { return edge.destination == stage; });
  memory.transfer_slots = inputs * kReceiveSlots * transfer_bytes(plan.model, plan.batch);
  plan.memory.push_back(memory);
  plan.stage_flops.push_back(flops);
  plan.flops_per_step += flops * plan.mesh.tensor * plan.mesh.data;
}

void add_stages(TrainingPlan& plan) {
  const CostShape shape{.samples = plan.batch.micro_batch, .tensor = plan.mesh.tensor};
  for (const LayerRange& chunk : plan.chunks) {
    plan.work.push_back(chunk_work(plan.model, chunk, shape));
  }
  const std::vector<Edge> edges = edges_of(plan.program.stage_of_chunk);
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    add_stage(plan, stage, edges);
  }
}

/// What the program's tensors take, for the proof's peaks.
Limits sizes_of(const TrainingPlan& plan) {
  Limits limits = held_sizes(plan.work, transfer_bytes(plan.model, plan.batch));
  for (const StageMemory& memory : plan.memory) {
    limits.stage_bytes.push_back(memory.total() - memory.transfer_slots);
  }
  return limits;
}

/// What the stages hold when they hold most.
void add_peaks(TrainingPlan& plan) {
  for (std::size_t stage = 0; stage < plan.memory.size(); ++stage) {
    const HeldBytes& held = plan.verdict.peaks[stage].held;
    plan.memory[stage].saved_activations = held.stash;
    plan.memory[stage].weight_stashes = held.weight_stash;
    plan.memory[stage].workspace += held.rest;
  }
}

}  // namespace

Limits held_sizes(const std::vector<LayerCost>& work, std::int64_t tensor_bytes) {
  Limits limits{.tensor_bytes = tensor_bytes};
  for (const LayerCost& chunk : work) {
    limits.chunk_bytes.push_back({.stash = chunk.stash_bytes,
                                  .weight_stash = chunk.weight_stash_bytes,
                                  .forward = chunk.forward_bytes,
                                  .backward_input = chunk.backward_input_bytes,
                                  .backward = chunk.backward_bytes});
  }
  return limits;
}

LayerCost chunk_work(const ModelSpec& model, const LayerRange& range, const CostShape& shape) {
  LayerCost sum;
  for (int i = range.first; i < range.last; ++i) {
    sum = joined(sum, model.layers[static_cast<std::size_t>(i)].cost(shape));
  }
  return sum;
}

TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch) {
  return make_plan(model, parallel, batch, schedule_of(parallel, microbatches_of(parallel, batch)));
}

TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const Program& compute) {
  TrainingPlan plan;
  plan.model = model;
  plan.parallel = parallel;
  plan.batch = batch;
  plan.mesh = {parallel.pipeline, parallel.tensor, parallel.data};
  plan.microbatches = microbatches_of(parallel, batch);
  check_sizes(compute, parallel, plan.microbatches);
  const CostShape shape{.samples = batch.micro_batch, .tensor = parallel.tensor};
  plan.chunks = parallel.partition.empty()
                    ? partition_by_cost(model, shape, compute.chunks)
                    : partition_by_list(model, parallel.partition, compute.chunks);
  const ReductionShape reductions = reductions_of(plan);
  plan.program = with_reductions(with_transfers(compute), reductions);
  plan.evaluation = with_transfers(forwards_of(compute));
  add_stages(plan);
  plan.verdict = verify(plan.program, reductions, sizes_of(plan));
  const Verdict evaluation = verify(plan.evaluation, reductions);
  require(plan.verdict.proven && evaluation.proven, "make_plan",
          "the program of {} is not safe to run: {}{}", parallel.schedule,
          plan.verdict.counter_example, evaluation.counter_example);
  add_peaks(plan);
  return plan;
}

std::int64_t transfer_bytes(const ModelSpec& model, const BatchConfig& batch) {
  return 4 * batch.micro_batch * model.sequence * model.hidden;
}

ReductionShape reductions_of(const TrainingPlan& plan) {
  std::vector<std::string> names;
  for (const LayerSpec& layer : plan.model.layers) {
    for (const ParameterUse& use : layer.parameters) {
      names.push_back(use.parameter.name);
    }
  }
  std::sort(names.begin(), names.end());
  const bool tied = std::adjacent_find(names.begin(), names.end()) != names.end();
  return {.tied = tied, .data = plan.mesh.data > 1};
}

}  // namespace stagecraft
