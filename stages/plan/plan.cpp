#include "stages/plan/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "stages/plan/auto_schedule.h"
#include "stages/plan/group_order_check.h"
#include "stages/schedules/lower_program.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

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

CostShape cost_shape(const ParallelConfig& parallel, const BatchConfig& batch) {
  return {.samples = batch.micro_batch, .tensor = parallel.tensor, .compute = batch.compute()};
}

Program schedule_of(const ParallelConfig& parallel, int microbatches) {
  const std::vector<std::string>& names = schedule_names();
  if (std::find(names.begin(), names.end(), parallel.schedule) == names.end()) {
    throw ConfigError("parallel.schedule",
                      fmt::format("there is no schedule \"{}\"; the schedules are {}, {}",
                                  parallel.schedule, fmt::join(names, ", "), kAutoSchedule));
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

void check_given(const Program& given, const ParallelConfig& parallel, int microbatches) {
  const auto stages = static_cast<int>(given.stages.size());
  const int chunks = parallel.pipeline * parallel.chunks;
  if (stages != parallel.pipeline || given.chunks != chunks || given.microbatches != microbatches) {
    throw ConfigError(
        "parallel.schedule parallel.pipeline parallel.chunks train.global_batch train.micro_batch",
        fmt::format("{} is a program of {} stages, {} chunks and {} micro-batches, but the "
                    "configuration has {}, {} (stages x chunks per stage) and {}; change one of "
                    "them",
                    parallel.schedule, stages, given.chunks, given.microbatches, parallel.pipeline,
                    chunks, microbatches));
  }
  if (!trains(given)) {
    throw ConfigError("parallel.schedule",
                      fmt::format("{} has forwards only and trains nothing; add B, or I and W, for "
                                  "every chunk and micro-batch",
                                  parallel.schedule));
  }
}

double flops_of(const LayerCost& work) {
  return work.forward_flops + work.backward_input_flops + work.backward_weight_flops;
}

/// What a chunk's layers read of all micro-batches, which it keeps until the end of the step.
std::int64_t content_bytes(const TrainingPlan& plan, std::size_t chunk) {
  std::int64_t bytes = 0;
  for (const ContentSpec& content :
       plan.model.contents_of(plan.chunks[chunk].first, plan.chunks[chunk].last)) {
    bytes += size_of(DType::int32) * plan.microbatches *
             elements_of(content.shape(plan.batch.micro_batch, plan.model.sequence));
  }
  return bytes;
}

/// What `stage` holds throughout with this placement, without slots.
StageMemory held_throughout(const TrainingPlan& plan, const std::vector<int>& stage_of_chunk,
                            int stage) {
  StageMemory memory;
  for (std::size_t chunk = 0; chunk < plan.chunks.size(); ++chunk) {
    memory.workspace += stage_of_chunk[chunk] == stage ? content_bytes(plan, chunk) : 0;
  }
  const ParameterBytes parameters =
      parameter_bytes(uses_of(plan.model, ranges_of(plan.chunks, stage_of_chunk, stage)), 0,
                      plan.mesh.tensor, plan.batch.compute());
  memory.weights = parameters.weights;
  memory.gradients = parameters.gradients;
  memory.optimizer = parameters.optimizer;
  return memory;
}

/// The sizes that verify needs, for this placement.
Limits limits_of(const TrainingPlan& plan, const std::vector<int>& stage_of_chunk) {
  constexpr double kGiB = 1 << 30;
  Limits limits = live_memory_limits(plan.work, transfer_bytes(plan.model, plan.batch));
  if (plan.parallel.memory_gib > 0) {
    limits.bytes = static_cast<std::int64_t>(plan.parallel.memory_gib * kGiB);
  }
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    limits.stage_bytes.push_back(held_throughout(plan, stage_of_chunk, stage).total());
  }
  return limits;
}

void add_stage(TrainingPlan& plan, int stage) {
  const StagePeak& peak = plan.verdict.peaks.at(static_cast<std::size_t>(stage));
  StageMemory memory = held_throughout(plan, plan.program.stage_of_chunk, stage);
  memory.transfer_slots = peak.bytes - peak.held.total() - memory.total();
  memory.saved_activations = peak.held.stash;
  memory.weight_stashes = peak.held.weight_stash;
  memory.workspace += peak.held.rest;
  double flops = 0;
  for (std::size_t chunk = 0; chunk < plan.work.size(); ++chunk) {
    const bool here = plan.program.stage_of_chunk[chunk] == stage;
    flops += here ? flops_of(plan.work[chunk]) * plan.microbatches : 0;
  }
  plan.memory.push_back(memory);
  plan.stage_flops.push_back(flops);
  plan.flops_per_step += flops * plan.mesh.tensor * plan.mesh.data;
}

/// No configuration makes the orders wait in a circle; the proof is for changes of this program.
void add_groups(TrainingPlan& plan, const ReductionShape& reductions) {
  plan.groups = rank_groups(plan.mesh, plan.program.stage_of_chunk, reductions.tied);
  const std::string fault =
      fault_of_orders(plan.groups, group_orders(plan.groups, plan.mesh.ranks()));
  require(fault.empty(), "make_plan", "{}", fault);
}

/// The part of a plan that does not depend on the program.
TrainingPlan divided(const ModelSpec& model, const ParallelConfig& parallel,
                     const BatchConfig& batch) {
  TrainingPlan plan;
  plan.model = model;
  plan.parallel = parallel;
  plan.batch = batch;
  plan.mesh = {parallel.pipeline, parallel.tensor, parallel.data};
  plan.microbatches = microbatches_of(parallel, batch);
  const CostShape shape = cost_shape(parallel, batch);
  const int chunks = parallel.pipeline * parallel.chunks;
  plan.chunks = parallel.partition.empty() ? partition_by_cost(model, shape, chunks)
                                           : partition_by_list(model, parallel.partition, chunks);
  for (const LayerRange& chunk : plan.chunks) {
    plan.work.push_back(chunk_work(model, chunk, shape));
  }
  return plan;
}

Program searched(const ModelSpec& model, const ParallelConfig& parallel, const BatchConfig& batch,
                 const std::optional<CostTable>& costs) {
  const TrainingPlan plan = divided(model, parallel, batch);
  const AutoProblem problem{.shape = {.stages = parallel.pipeline,
                                      .microbatches = plan.microbatches,
                                      .chunks = parallel.chunks},
                            .costs = costs.value_or(flop_costs(plan)),
                            .limits = [&](const std::vector<int>& stage_of_chunk) {
                              return limits_of(plan, stage_of_chunk);
                            }};
  try {
    return find_schedule(problem).compute;
  } catch (const Error& none) {
    throw ConfigError("parallel.memory_gib parallel.schedule parallel.pipeline train.micro_batch",
                      std::string(none.text()));
  }
}

}  // namespace

Limits live_memory_limits(const std::vector<LayerCost>& work, std::int64_t tensor_bytes) {
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
    sum = in_sequence(sum, model.layers[static_cast<std::size_t>(i)].cost(shape));
  }
  return sum;
}

CostTable flop_costs(const TrainingPlan& plan) {
  CostTable costs;
  costs.chunks.clear();
  for (const LayerCost& work : plan.work) {
    costs.chunks.push_back({.forward = work.forward_flops,
                            .backward_input = work.backward_input_flops,
                            .backward_weight = work.backward_weight_flops});
  }
  return costs;
}

TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const std::optional<CostTable>& costs) {
  return make_plan(model, parallel, batch,
                   parallel.schedule == kAutoSchedule
                       ? searched(model, parallel, batch, costs)
                       : schedule_of(parallel, microbatches_of(parallel, batch)));
}

TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const Program& given, const SiteFormatter& where) {
  check_given(given, parallel, microbatches_of(parallel, batch));
  TrainingPlan plan = divided(model, parallel, batch);
  const ReductionShape reductions = reductions_of(plan);
  plan.program = lower_program(given, reductions);
  plan.evaluation = with_transfers(forwards_of(given));
  plan.verdict =
      verify(plan.program, reductions, limits_of(plan, plan.program.stage_of_chunk), where);
  const Verdict evaluation = verify(plan.evaluation, reductions);
  if (!plan.verdict.proven || !evaluation.proven) {
    throw ConfigError("parallel.schedule parallel.memory_gib",
                      fmt::format("the program of {} is not safe to run: {}{}", parallel.schedule,
                                  plan.verdict.counter_example, evaluation.counter_example));
  }
  add_groups(plan, reductions);
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    add_stage(plan, stage);
  }
  return plan;
}

std::int64_t transfer_bytes(const ModelSpec& model, const BatchConfig& batch) {
  return batch.micro_batch * model.sequence * model.hidden * size_of(batch.compute());
}

ReductionShape reductions_of(const TrainingPlan& plan) {
  const std::vector<ParameterSpec> parameters = plan.model.parameters();
  const bool over_tensor =
      std::any_of(parameters.begin(), parameters.end(),
                  [](const ParameterSpec& parameter) { return parameter.summed_over.tensor; });
  return {.tied = plan.model.tied_parameter().has_value(),
          .data = plan.mesh.data > 1 || (plan.mesh.tensor > 1 && over_tensor)};
}

}  // namespace stagecraft
