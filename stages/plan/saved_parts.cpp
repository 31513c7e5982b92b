#include "stages/plan/saved_parts.h"

#include <iterator>
#include <set>
#include <string>

#include "models/parameters/parameter_state.h"
#include "models/parameters/saved_boxes.h"

namespace stagecraft {
namespace {

/// Every parameter once, in model order, with the stage of its first use.
struct FirstUse {
  ParameterSpec spec;
  int stage = 0;
};

std::vector<FirstUse> first_uses(const TrainingPlan& plan) {
  std::vector<FirstUse> uses;
  std::set<std::string> seen;
  for (std::size_t chunk = 0; chunk < plan.chunks.size(); ++chunk) {
    for (const ParameterUse& use : uses_of(plan.model, {plan.chunks[chunk]})) {
      if (seen.insert(use.parameter.name).second) {
        uses.push_back({use.parameter, plan.program.stage_of_chunk[chunk]});
      }
    }
  }
  return uses;
}

}  // namespace

std::vector<SavedPart> saved_parts(const TrainingPlan& plan, int rank) {
  const MeshCoordinate at = coordinate_of(plan.mesh, rank);
  std::vector<SavedPart> parts;
  std::int32_t parameter = 0;
  for (const auto& [spec, stage] : first_uses(plan)) {
    if (stage == at.pipeline && (at.tensor == 0 || !spec.shard.replicated())) {
      std::vector<ShardBox> boxes =
          saved_boxes(shard_boxes(spec.shape, spec.shard, at.tensor, plan.mesh.tensor), parameter,
                      at.data, plan.mesh.data);
      if (!boxes.empty()) {
        parts.push_back({parameter, spec, std::move(boxes)});
      }
    }
    ++parameter;
  }
  return parts;
}

std::int64_t snapshot_bytes(const TrainingPlan& plan, int rank) {
  const int tensor = coordinate_of(plan.mesh, rank).tensor;
  std::int64_t elements = 0;
  for (const SavedPart& part : saved_parts(plan, rank)) {
    const Shape local = local_shape(part.spec.shape, part.spec.shard, tensor, plan.mesh.tensor);
    for (const ElementRun& hull : hulls_of(part.boxes, local)) {
      elements += hull.count;
    }
  }
  return elements * size_of(DType::float32) * static_cast<std::int64_t>(std::size(kStateKinds));
}

}  // namespace stagecraft
