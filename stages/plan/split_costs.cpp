#include "stages/plan/split_costs.h"

#include <algorithm>

#include "models/families/family.h"
#include "stages/schedules/schedules.h"

namespace stagecraft {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

}  // namespace

double SplitCosts::least_ms(int microbatches) const {
  const auto stages = stage_bytes.size();
  std::vector<double> first(stages, -1);  // the earliest arrival of the first micro-batch
  std::vector<double> back(stages, 0);    // backward from the stage's lowest chunk to chunk 0
  std::vector<double> busy(stages, 0);
  std::vector<double> late(stages, 0);  // W, which may come after the last I
  double forward = 0;
  double backward = 0;
  for (std::size_t c = 0; c < work.size(); ++c) {
    const ComputeCosts& costs = table.chunks[c];
    const auto stage = at(stage_of_chunk[c]);
    if (first[stage] < 0) {
      first[stage] = forward;
      back[stage] = backward;
    }
    busy[stage] += costs.forward + costs.backward_input + costs.backward_weight;
    late[stage] += weights_apart ? costs.backward_weight : 0;
    const bool crosses = c + 1 < work.size() && stage_of_chunk[c + 1] != stage_of_chunk[c];
    const double transfer = crosses ? table.transfer : 0;
    forward += costs.forward + transfer;
    backward += costs.backward_input + (weights_apart ? 0 : costs.backward_weight) + transfer;
  }
  double least = 0;
  for (std::size_t stage = 0; stage < stages; ++stage) {
    const double all = microbatches * busy[stage];
    least = std::max(least,
                     first[stage] + std::max(all, all - microbatches * late[stage] + back[stage]));
  }
  return least + table.optimizer;
}

std::int64_t SplitCosts::least_bytes() const {
  std::int64_t most = 0;
  for (std::size_t c = 0; c < work.size(); ++c) {
    most = std::max(most, stage_bytes[at(stage_of_chunk[c])] + work[c].stash_bytes);
  }
  return most;
}

std::int64_t SplitCosts::most_bytes(const Program& program) const {
  Limits limits = live_memory_limits(work, tensor_bytes);
  limits.stage_bytes = stage_bytes;
  std::int64_t most = 0;
  for (const StagePeak& peak : peaks_of(program, limits)) {
    most = std::max(most, peak.bytes);
  }
  return most;
}

const ModelSpec& SplitPricer::spec(int tensor) {
  const auto found = specs_.find(tensor);
  return found != specs_.end() ? found->second
                               : specs_.emplace(tensor, make_model(model_, tensor)).first->second;
}

const SplitPricer::ChunkCut& SplitPricer::cut(int tensor, int chunks) {
  const auto found = cuts_.find({tensor, chunks});
  if (found != cuts_.end()) {
    return found->second;
  }
  const ModelSpec& model = spec(tensor);
  ChunkCut cut{partition_by_cost(model, {.samples = 1, .tensor = tensor}, chunks), {}};
  for (const LayerRange& range : cut.ranges) {
    cut.parameters.push_back(parameter_bytes(uses_of(model, {range}), 0, tensor, batch_.compute()));
  }
  return cuts_.emplace(std::pair(tensor, chunks), std::move(cut)).first->second;
}

SplitCosts SplitPricer::price(const ParallelConfig& parallel, std::int64_t micro_batch) {
  const ModelSpec& model = spec(parallel.tensor);
  const ChunkCut& cut = this->cut(parallel.tensor, parallel.pipeline * parallel.chunks);
  BatchConfig batch = batch_;
  batch.micro_batch = micro_batch;
  SplitCosts costs;
  costs.stage_of_chunk = schedule_placement(parallel.schedule, parallel.pipeline, parallel.chunks);
  costs.weights_apart = schedule_info(parallel.schedule).splits_backward;
  costs.tensor_bytes = transfer_bytes(model, batch);
  costs.stage_bytes.assign(at(parallel.pipeline), 0);
  std::vector<std::int64_t> gradients(at(parallel.pipeline), 0);
  std::vector<std::int64_t> touched(at(parallel.pipeline), 0);
  for (std::size_t c = 0; c < cut.ranges.size(); ++c) {
    const ParameterBytes& bytes = cut.parameters[c];
    const auto stage = at(costs.stage_of_chunk[c]);
    costs.stage_bytes[stage] += bytes.weights + bytes.gradients + bytes.optimizer;
    gradients[stage] += bytes.gradients;
    // AdamW reads all four and writes weights and moments.
    touched[stage] += 2 * (bytes.weights + bytes.optimizer) + bytes.gradients;
    costs.work.push_back(chunk_work(
        model, cut.ranges[c],
        {.samples = micro_batch, .tensor = parallel.tensor, .compute = batch.compute()}));
  }
  const std::int64_t tied = tied_gradient_bytes(model, parallel.tensor);
  const bool apart = model_ends(costs.stage_of_chunk).on_two_stages();
  if (!apart && cut.ranges.size() > 1) {  // both chunks have counted it; the stage holds it once
    const auto stage = at(costs.stage_of_chunk.front());
    const std::int64_t weights = batch.compute() == DType::float32 ? tied : tied + tied / 2;
    costs.stage_bytes[stage] -= weights + 2 * tied;
    touched[stage] -= 2 * (weights + 2 * tied) + tied;
  }
  for (const int end : {costs.stage_of_chunk.front(), costs.stage_of_chunk.back()}) {
    gradients[at(end)] -= tied;  // each use has counted it
  }
  costs.table = costs_on(
      machine_, {.model = model,
                 .batch = batch,
                 .mesh = {parallel.pipeline, parallel.tensor, parallel.data},
                 .work = costs.work,
                 .stage_gradient_bytes = *std::max_element(gradients.begin(), gradients.end()),
                 .tied_gradient_bytes = tied,
                 .tied_apart = apart,
                 .stage_optimizer_bytes = *std::max_element(touched.begin(), touched.end())});
  return costs;
}

}  // namespace stagecraft
