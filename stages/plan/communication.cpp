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

StageGradientBytes stage_gradient_bytes(const TrainingPlan& plan, int stage) {
  const std::vector<LayerRange> ranges = ranges_of(plan.chunks, plan.program.stage_of_chunk, stage);
  StageGradientBytes bytes;
  for (const ParameterSpec& parameter : parameters_of(uses_of(plan.model, ranges))) {
    const std::int64_t own = parameter_bytes({{parameter, ""}}, 0, plan.mesh.tensor).gradients;
    bytes.over_tensor += parameter.summed_over.tensor ? own : 0;
    bytes.over_data += parameter.summed_over.data ? own : 0;
  }
  return bytes;
}

std::int64_t tied_gradient_bytes(const ModelSpec& model, int tensor) {
  const std::optional<ParameterSpec> tied = model.tied_parameter();
  return tied ? parameter_bytes({{*tied, ""}}, 0, tensor).gradients : 0;
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
    const StageGradientBytes gradients = stage_gradient_bytes(plan, stage);
    bytes.data += sum_bytes(gradients.over_data, mesh.data) * mesh.tensor;
    bytes.tensor += sum_bytes(gradients.over_tensor, mesh.tensor) * mesh.data;
  }
  bytes.tied =
      model_ends(plan.program.stage_of_chunk).on_two_stages()
          ? sum_bytes(tied_gradient_bytes(plan.model, mesh.tensor), 2) * mesh.data * mesh.tensor
          : 0;
  return bytes;
}

}  // namespace stagecraft
