#include "stages/execute/mesh_communicators.h"

#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft {
namespace {

/// The group of the ranks with equal color; a single rank needs no communication.
std::unique_ptr<Communicator> group(Communicator& world, int color) {
  std::unique_ptr<Communicator> members = world.split(color, world.rank());
  return members->size() > 1 ? std::move(members) : make_solo_communicator();
}

}  // namespace

MeshCommunicators mesh_communicators(Communicator& world, const TrainingPlan& plan) {
  const MeshShape& mesh = plan.mesh;
  const MeshCoordinate at = coordinate_of(mesh, world.rank());
  const bool holds_tied = model_ends(plan.program.stage_of_chunk).has(at.pipeline);
  MeshCommunicators groups;
  groups.tensor = group(world, at.pipeline * mesh.data + at.data);
  groups.data = group(world, at.pipeline * mesh.tensor + at.tensor);
  groups.tied = group(world, holds_tied ? column_of(mesh, at) : mesh.ranks() + world.rank());
  return groups;
}

}  // namespace stagecraft
