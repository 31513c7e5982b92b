// Who computes what, and when: pure, and the same for `check` and `train`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/families/model_spec.h"
#include "stages/plan/partition.h"
#include "stages/plan/plan_config.h"
#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/verify/instruction_site.h"
#include "stages/verify/verify.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// What one rank of a stage holds when it holds most.
struct StageMemory {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t saved_activations = 0;
  std::int64_t weight_stashes = 0;  // between I and W
  std::int64_t transfer_slots = 0;  // all of them full
  std::int64_t workspace = 0;       // within an instruction, between instructions, and tokens
  std::int64_t total() const {
    return weights + gradients + optimizer + saved_activations + weight_stashes + transfer_slots +
           workspace;
  }
};

struct TrainingPlan {
  ModelSpec model;
  ParallelConfig parallel;
  BatchConfig batch;
  MeshShape mesh;
  int microbatches = 1;             // per data rank and step
  std::vector<LayerRange> chunks;   // one a chunk, in model order
  std::vector<LayerCost> work;      // of one micro-batch, one a chunk
  Program program;                  // training
  Program evaluation;               // forward only, the same number of micro-batches
  Verdict verdict;                  // of `program`; the evaluation's is checked too
  std::vector<StageMemory> memory;  // one a stage
  std::vector<double> stage_flops;  // per stage, of one rank and one step
  double flops_per_step = 0;        // over all ranks, forward and backward
};

/// What a chunk of these layers costs.
LayerCost chunk_work(const ModelSpec& model, const LayerRange& range, const CostShape& shape);

/// What a program of chunks with this work holds, stages' own bytes left out.
Limits live_memory_limits(const std::vector<LayerCost>& work, std::int64_t tensor_bytes);

/// Throws ConfigError naming the keys of a rule that is broken (sizes that do not divide, more
/// chunks than blocks, a schedule that is not known, a program that is not proven). `costs` are
/// what auto searches by; without them FLOPs, and transfers that cost nothing.
TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const std::optional<CostTable>& costs = {});
/// The same with `given`, completed, for the schedule, whose name only messages use. Throws
/// ConfigError when its sizes are not those of `parallel` and `batch`, and when it trains nothing.
/// `where` words places in a program that is not proven.
TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const Program& given,
                       const SiteFormatter& where = site_text);

/// Bytes of one micro-batch in a channel; every cut has the same.
std::int64_t transfer_bytes(const ModelSpec& model, const BatchConfig& batch);

/// What each chunk's compute costs, in FLOPs; everything else is free.
CostTable flop_costs(const TrainingPlan& plan);

/// What the end of the plan's program has to add up: a parameter that two layers use, data ranks.
ReductionShape reductions_of(const TrainingPlan& plan);

}  // namespace stagecraft
