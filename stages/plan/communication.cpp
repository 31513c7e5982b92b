#include "stages/plan/communication.h"

#include <algorithm>
#include <set>
#include <string>

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
  std::set<std::string> seen;
  std::vector<ParameterUse> uses;
  for (std::size_t chunk = 0; chunk < plan.chunks.size(); ++chunk) {
    if (plan.program.stage_of_chunk[chunk] != stage) {
      continue;
    }
    for (int i = plan.chunks[chunk].first; i < plan.chunks[chunk].last; ++i) {
      for (const ParameterUse& use : plan.model.layers[static_cast<std::size_t>(i)].parameters) {
        if (seen.insert(use.parameter.name).second) {
          uses.push_back(use);
        }
      }
    }
  }
  return parameter_bytes(uses, 0, plan.mesh.tensor).gradients;
}

std::int64_t tied_gradient_bytes(const ModelSpec& model) {
  for (const ParameterUse& first : model.layers.front().parameters) {
    for (const ParameterUse& last : model.layers.back().parameters) {
      if (first.parameter.name == last.parameter.name) {
        return parameter_bytes({first}, 0, model.tensor_shards).gradients;
      }
    }
  }
  return 0;
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
  const bool apart = plan.program.stage_of_chunk.front() != plan.program.stage_of_chunk.back();
  bytes.tied = apart ? sum_bytes(tied_gradient_bytes(plan.model), 2) * mesh.data * mesh.tensor : 0;
  return bytes;
}

}  // namespace stagecraft
