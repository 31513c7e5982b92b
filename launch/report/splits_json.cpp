#include "launch/report/splits_json.h"

#include <nlohmann/json.hpp>

#include "models/families/family.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

Json machine_json(const MachineConfig& machine) {
  return {{"preset", machine.preset},           {"memory_gib", machine.memory_gib},
          {"tflops", machine.tflops},           {"efficiency", machine.efficiency},
          {"memory_gb_s", machine.memory_gb_s}, {"node_devices", machine.node_devices},
          {"within_gb_s", machine.within_gb_s}, {"between_gb_s", machine.between_gb_s},
          {"within_us", machine.within_us},     {"between_us", machine.between_us}};
}

Json split_json(const SearchRequest& request, const RankedSplit& split) {
  const auto tokens = static_cast<double>(request.batch.global_batch * request.model.sequence);
  return {{"step_ms", split.step_ms},
          {"tokens_per_second", tokens / split.step_ms * 1e3},
          {"bubble", split.bubble},
          {"memory_bytes", split.memory},
          {"pipeline", split.parallel.pipeline},
          {"tensor", split.parallel.tensor},
          {"data", split.parallel.data},
          {"chunks", split.parallel.chunks},
          {"schedule", split.parallel.schedule},
          {"micro_batch", split.micro_batch},
          {"microbatches", split.microbatches}};
}

}  // namespace

std::string splits_json(const SearchRequest& request, const SplitSearch& found) {
  Json json = {{"devices", request.devices},
               {"machine", machine_json(request.machine)},
               {"parameters", make_model(request.model, 1).parameter_count()},
               {"global_batch", request.batch.global_batch},
               {"considered", found.considered},
               {"simulated", found.simulated},
               {"too_slow", found.too_slow},
               {"rejected", Json::object()},
               {"best", Json::array()}};
  for (const auto& [reason, count] : found.rejected) {
    json["rejected"][reason] = count;
  }
  for (const RankedSplit& split : found.best) {
    json["best"].push_back(split_json(request, split));
  }
  return json.dump(2) + "\n";
}

}  // namespace stagecraft
