#include "launch/report/plan_json.h"

#include <nlohmann/json.hpp>

#include "launch/report/plan_report.h"
#include "models/families/family.h"
#include "stages/plan/communication.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

Json model_json(const ModelSpec& model) {
  const ModelConfig& config = model.config;
  return {{"family", config.family->name}, {"layers", config.layers},
          {"hidden", config.hidden},       {"heads", config.heads},
          {"sequence", config.sequence},   {"vocab", config.vocab},
          {"dropout", config.dropout},     {"parameters", model.parameter_count()}};
}

Json bytes_json(const StageMemory& memory) {
  return {{"weights", memory.weights},
          {"gradients", memory.gradients},
          {"optimizer", memory.optimizer},
          {"saved_activations", memory.saved_activations},
          {"weight_stashes", memory.weight_stashes},
          {"transfer_slots", memory.transfer_slots},
          {"workspace", memory.workspace},
          {"total", memory.total()}};
}

Json stage_json(const TrainingPlan& plan, int stage) {
  const auto index = static_cast<std::size_t>(stage);
  Json json = {{"stage", stage}, {"chunks", Json::array()}};
  for (std::size_t chunk = 0; chunk < plan.chunks.size(); ++chunk) {
    if (plan.program.stage_of_chunk[chunk] == stage) {
      json["chunks"].push_back(
          {{"chunk", chunk}, {"layers", layers_text(plan.model, plan.chunks[chunk])}});
    }
  }
  json["parameters"] = stage_parameters(plan, stage);
  json["flops"] = plan.stage_flops[index];
  json["peak_activations"] = plan.verdict.peaks[index].activations;
  json["peak_weight_stashes"] = plan.verdict.peaks[index].weight_stashes;
  json["bytes"] = bytes_json(plan.memory[index]);
  return json;
}

}  // namespace

std::string plan_json(const ResolvedRun& run) {
  const TrainingPlan& plan = run.plan;
  const CommunicationBytes sent = communication_of(plan);
  Json json = {{"model", model_json(plan.model)},
               {"pipeline", plan.mesh.pipeline},
               {"tensor", plan.mesh.tensor},
               {"data", plan.mesh.data},
               {"ranks", plan.mesh.ranks()},
               {"schedule", plan.parallel.schedule},
               {"chunks", plan.parallel.chunks},
               {"global_batch", plan.batch.global_batch},
               {"micro_batch", plan.batch.micro_batch},
               {"microbatches", plan.microbatches},
               {"flops", plan.flops_per_step},
               {"proven", plan.verdict.proven},
               {"bubble", planned_bubble(plan)},
               {"sent_bytes",
                {{"pipeline", sent.pipeline},
                 {"tensor", sent.tensor},
                 {"data", sent.data},
                 {"tied", sent.tied},
                 {"total", sent.total()}}},
               {"stages", Json::array()}};
  for (int stage = 0; stage < plan.mesh.pipeline; ++stage) {
    json["stages"].push_back(stage_json(plan, stage));
  }
  return json.dump(2) + "\n";
}

}  // namespace stagecraft
