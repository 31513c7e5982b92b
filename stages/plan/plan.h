// The training plan: which rank computes what, and when. A pure function of the configuration, the
// same for `check` and `train`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/families/model_spec.h"
#include "stages/plan/partition.h"
#include "stages/plan/plan_config.h"
#include "stages/plan/rank_group.h"
#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/verify/instruction_site.h"
#include "stages/verify/verify.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// What one rank of a stage holds at its peak.
struct StageMemory {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t saved_activations = 0;
  std::int64_t weight_stashes = 0;  // between I and W
  std::int64_t transfer_slots = 0;  // all slots full
  std::int64_t workspace = 0;       // within an instruction, between instructions, and contents
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
  std::vector<LayerRange> chunks;   // per chunk, in model order
  std::vector<LayerCost> work;      // of one micro-batch, per chunk
  Program program;                  // training
  Program evaluation;               // forward only, the same number of micro-batches
  Verdict verdict;                  // of `program`; `evaluation` is proven too
  std::vector<RankGroup> groups;    // that ranks make, in this order
  std::vector<StageMemory> memory;  // per stage
  std::vector<double> stage_flops;  // per stage, of one rank and one step
  double flops_per_step = 0;        // over all ranks, forward and backward
};

/// The cost of a chunk that consists of these layers.
LayerCost chunk_work(const ModelSpec& model, const LayerRange& range, const CostShape& shape);

/// The sizes for verify of chunks with this work, without `stage_bytes`.
Limits live_memory_limits(const std::vector<LayerCost>& work, std::int64_t tensor_bytes);

/// Throws ConfigError with the keys concerned if a rule is broken: sizes that do not divide, more
/// chunks than blocks, an unknown schedule, a program that is not proven. Schedule "auto" searches
/// by `costs`; the default is FLOPs, with transfers that cost nothing.
TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const std::optional<CostTable>& costs = {});
/// The same with the program `given`, after lowering, in place of a schedule; the schedule's name
/// only appears in messages. Throws ConfigError also if the sizes of `given` are not those of
/// `parallel` and `batch`, or if it trains nothing. `where` formats locations in diagnostics.
TrainingPlan make_plan(const ModelSpec& model, const ParallelConfig& parallel,
                       const BatchConfig& batch, const Program& given,
                       const SiteFormatter& where = site_text);

/// Bytes of one micro-batch's tensor in a channel; the same at every cut.
std::int64_t transfer_bytes(const ModelSpec& model, const BatchConfig& batch);

/// The cost of each chunk's compute in FLOPs; everything else costs nothing.
CostTable flop_costs(const TrainingPlan& plan);

/// The reductions that the plan needs: of a parameter that two layers use, and over ranks.
ReductionShape reductions_of(const TrainingPlan& plan);

}  // namespace stagecraft
