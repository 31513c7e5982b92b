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
  return build_schedule(parallel.schedule,
                        {.stages = parallel.pipeline, .microbatches = microbatches});
}

/// What the layers of a stage cost in one micro-batch.
struct StageCost {
  std::vector<ParameterUse> uses;
  std::int64_t stash_bytes = 0;
  std::int64_t workspace_bytes = 0;
  double flops = 0;
};

StageCost cost_of(const ModelSpec& model, const LayerRange& range, const CostShape& shape) {
  StageCost sum;
  for (int i = range.first; i < range.last; ++i) {
    const LayerSpec& layer = model.layers[static_cast<std::size_t>(i)];
    const LayerCost cost = layer.cost(shape);
    sum.uses.insert(sum.uses.end(), layer.parameters.begin(), layer.parameters.end());
    sum.stash_bytes += cost.stash_bytes;
    sum.workspace_bytes = std::max(sum.workspace_bytes, cost.workspace_bytes);
    sum.flops += cost.forward_flops + cost.backward_input_flops + cost.backward_weight_flops;
  }
  return sum;
}

StageMemory memory_of(const TrainingPlan& plan, int stage, const StageCost& cost) {
  const ParameterBytes parameters = parameter_bytes(cost.uses, 0, plan.mesh.tensor);
  const std::int64_t inputs = (stage > 0 ? 1 : 0) + (stage + 1 < plan.mesh.pipeline ? 1 : 0);
  const std::int64_t activation =
      4 * plan.batch.micro_batch * plan.model.sequence * plan.model.hidden;
  return {.weights = parameters.weights,
          .gradients = parameters.gradients,
          .optimizer = parameters.optimizer,
          .saved_activations =
              plan.verdict.peak_live[static_cast<std::size_t>(stage)] * cost.stash_bytes,
          .transfer_slots = inputs * kReceiveSlots * activation,
          .workspace = cost.workspace_bytes};
}

void add_costs(TrainingPlan& plan) {
  const CostShape shape{.samples = plan.batch.micro_batch, .tensor = plan.mesh.tensor};
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    const StageCost cost = cost_of(plan.model, plan.chunks[static_cast<std::size_t>(stage)], shape);
    plan.memory.push_back(memory_of(plan, stage, cost));
    plan.stage_flops.push_back(cost.flops * plan.microbatches);
    plan.flops_per_step += plan.stage_flops.back() * plan.mesh.tensor * plan.mesh.data;
  }
}

}  // namespace

TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch) {
  TrainingPlan plan;
  plan.model = model;
  plan.parallel = parallel;
  plan.batch = batch;
  plan.mesh = {parallel.pipeline, parallel.tensor, parallel.data};
  plan.microbatches = microbatches_of(parallel, batch);
  const CostShape shape{.samples = batch.micro_batch, .tensor = parallel.tensor};
  plan.chunks = parallel.partition.empty()
                    ? partition_by_cost(model, shape, parallel.pipeline)
                    : partition_by_list(model, parallel.partition, parallel.pipeline);
  const ReductionShape reductions = reductions_of(plan);
  plan.program =
      with_reductions(with_transfers(schedule_of(parallel, plan.microbatches)), reductions);
  plan.evaluation = with_transfers(
      forward_only({.stages = parallel.pipeline, .microbatches = plan.microbatches}));
  plan.verdict = verify(plan.program, reductions);
  const Verdict evaluation = verify(plan.evaluation, reductions);
  require(plan.verdict.proven && evaluation.proven, "make_plan",
          "the program of {} is not safe to run: {}{}", parallel.schedule,
          plan.verdict.counter_example, evaluation.counter_example);
  add_costs(plan);
  return plan;
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
