#include "stages/execute/mesh_communicators.h"

#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft {
namespace {

/// Null for a channel, whose group belongs to the channel.
std::unique_ptr<Communicator>* member_of(MeshCommunicators& communicators, GroupKind kind) {
  switch (kind) {
    case GroupKind::tensor:
      return &communicators.tensor;
    case GroupKind::data:
      return &communicators.data;
    case GroupKind::tied:
      return &communicators.tied;
    case GroupKind::channel:
      break;
  }
  return nullptr;
}

}  // namespace

MeshCommunicators mesh_communicators(Communicator& world, const TrainingPlan& plan) {
  MeshCommunicators communicators{.tensor = make_solo_communicator(),
                                  .data = make_solo_communicator(),
                                  .tied = make_solo_communicator()};
  for (const int position : groups_of_rank(plan.groups, world.rank())) {
    const RankGroup& group = plan.groups[static_cast<std::size_t>(position)];
    if (auto* communicator = member_of(communicators, group.kind)) {
      *communicator = world.make_group(group.members, position);
    }
  }
  return communicators;
}

}  // namespace stagecraft
