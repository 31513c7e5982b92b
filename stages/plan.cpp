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

CostShape cost_shape(const ParallelConfig& parallel, const BatchConfig& batch) {
  return {.samples = batch.micro_batch, .tensor = parallel.tensor, .compute = batch.compute()};
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

/// What the layers of a chunk cost in one micro-batch.
struct ChunkCost {
  std::vector<ParameterUse> uses;
  std::int64_t stash_bytes = 0;
  std::int64_t weight_stash_bytes = 0;
  std::int64_t workspace_bytes = 0;
  double flops = 0;
};

ChunkCost cost_of(const ModelSpec& model, const LayerRange& range, const CostShape& shape) {
  ChunkCost sum;
  for (int i = range.first; i < range.last; ++i) {
    const LayerSpec& layer = model.layers[static_cast<std::size_t>(i)];
    const LayerCost cost = layer.cost(shape);
    sum.uses.insert(sum.uses.end(), layer.parameters.begin(), layer.parameters.end());
    sum.stash_bytes += cost.stash_bytes;
    sum.weight_stash_bytes += cost.weight_stash_bytes;
    sum.workspace_bytes = std::max(sum.workspace_bytes, cost.workspace_bytes);
    sum.flops += cost.forward_flops + cost.backward_input_flops + cost.backward_weight_flops;
  }
  return sum;
}

/// The most bytes that `stage` holds between F and B or I, and between I and W.
void add_held(const TrainingPlan& plan, int stage, const std::vector<ChunkCost>& costs,
              StageMemory& memory) {
  std::int64_t saved = 0;
  std::int64_t stashed = 0;
  for (const Group& group : plan.program.stages[static_cast<std::size_t>(stage)]) {
    const Instruction& i = group.front();
    const ChunkCost& cost = costs[static_cast<std::size_t>(i.chunk)];
    if (i.op == Op::forward) {
      saved += cost.stash_bytes;
    } else if (i.op == Op::backward) {
      saved -= cost.stash_bytes;
    } else if (i.op == Op::backward_input) {
      saved -= cost.stash_bytes;
      stashed += cost.weight_stash_bytes;
    } else if (i.op == Op::backward_weight) {
      stashed -= cost.weight_stash_bytes;
    }
    memory.saved_activations = std::max(memory.saved_activations, saved);
    memory.weight_stashes = std::max(memory.weight_stashes, stashed);
  }
}

void add_stage(TrainingPlan& plan, int stage, const std::vector<ChunkCost>& costs,
               const std::vector<Edge>& edges) {
  StageMemory memory;
  std::vector<ParameterUse> uses;
  double flops = 0;
  for (std::size_t chunk = 0; chunk < costs.size(); ++chunk) {
    if (plan.program.stage_of_chunk[chunk] == stage) {
      uses.insert(uses.end(), costs[chunk].uses.begin(), costs[chunk].uses.end());
      memory.workspace = std::max(memory.workspace, costs[chunk].workspace_bytes);
      flops += costs[chunk].flops * plan.microbatches;
    }
  }
  const ParameterBytes parameters =
      parameter_bytes(uses, 0, plan.mesh.tensor, plan.batch.compute());
  memory.weights = parameters.weights;
  memory.gradients = parameters.gradients;
  memory.optimizer = parameters.optimizer;
  const auto inputs = std::count_if(edges.begin(), edges.end(),
                                    [&](const Edge& edge) { return edge.destination == stage; });
  memory.transfer_slots = inputs * kReceiveSlots * transfer_bytes(plan.model, plan.batch);
  add_held(plan, stage, costs, memory);
  plan.memory.push_back(memory);
  plan.stage_flops.push_back(flops);
  plan.flops_per_step += flops * plan.mesh.tensor * plan.mesh.data;
}

void add_costs(TrainingPlan& plan) {
  const CostShape shape = cost_shape(plan.parallel, plan.batch);
  std::vector<ChunkCost> costs;
  for (const LayerRange& chunk : plan.chunks) {
    costs.push_back(cost_of(plan.model, chunk, shape));
  }
  const std::vector<Edge> edges = edges_of(plan.program.stage_of_chunk);
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    add_stage(plan, stage, costs, edges);
  }
}

}  // namespace

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
  const CostShape shape = cost_shape(parallel, batch);
  plan.chunks = parallel.partition.empty()
                    ? partition_by_cost(model, shape, compute.chunks)
                    : partition_by_list(model, parallel.partition, compute.chunks);
  const ReductionShape reductions = reductions_of(plan);
  plan.program = with_reductions(with_transfers(compute), reductions);
  plan.evaluation = with_transfers(forwards_of(compute));
  plan.verdict = verify(plan.program, reductions);
  const Verdict evaluation = verify(plan.evaluation, reductions);
  require(plan.verdict.proven && evaluation.proven, "make_plan",
          "the program of {} is not safe to run: {}{}", parallel.schedule,
          plan.verdict.counter_example, evaluation.counter_example);
  add_costs(plan);
  return plan;
}

std::int64_t transfer_bytes(const ModelSpec& model, const BatchConfig& batch) {
  return batch.micro_batch * model.sequence * model.hidden * size_of(batch.compute());
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
