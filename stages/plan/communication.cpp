#include "stages/plan/communication.h"

#include <algorithm>
#include <optional>

namespace stagecraft {
namespace {

std::int64_t sum_bytes(std::int64_t bytes, int ranks) { return 2 * bytes * (ranks - 1); }

std::int64_t sends_of(const Program& program) {
  std::int64_t sends = 0;
  for (const StageProgram& line : program.stages) {
    for (const TransferGroup& group : line) {
      sends += std::count_if(group.begin(), group.end(),
                             [](const Instruction& i) { return is_send(i.op); });
    }
  }
  return sends;
}

}  // namespace

std::int64_t stage_gradient_bytes(const TrainingPlan& plan, int stage) {
  const std::vector<LayerRange> ranges = ranges_of(plan.chunks, plan.program.stage_of_chunk, stage);
  std::int64_t bytes = 0;
  for (const ParameterSpec& parameter : parameters_of(uses_of(plan.model, ranges))) {
    bytes += parameter_bytes({{parameter, ""}}, 0, plan.mesh.tensor).gradients;
  }
  return bytes;
}

std::int64_t tied_gradient_bytes(const ModelSpec& model) {
  const std::optional<ParameterSpec> tied = model.tied_parameter();
  return tied ? parameter_bytes({{*tied, ""}}, 0, model.tensor_shards).gradients : 0;
}

CommunicationBytes communication_of(const TrainingPlan& plan) {
  const MeshShape& mesh = plan.mesh;
  CommunicationBytes bytes;
  bytes.pipeline =
      sends_of(plan.program) * transfer_bytes(plan.model, plan.batch) * mesh.data * mesh.tensor;
  for (const LayerCost& work : plan.work) {
    bytes.tensor += sum_bytes(work.forward_sum_bytes + work.backward_sum_bytes, mesh.tensor) *
                    plan.microbatches * mesh.data;
  }
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    bytes.data += sum_bytes(stage_gradient_bytes(plan, stage), mesh.data) * mesh.tensor;
  }
  bytes.tied = model_ends(plan.program.stage_of_chunk).on_two_stages()
                   ? sum_bytes(tied_gradient_bytes(plan.model), 2) * mesh.data * mesh.tensor
                   : 0;
  return bytes;
}

}  // namespace stagecraft
