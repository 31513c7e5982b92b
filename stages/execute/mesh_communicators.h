// The communicators of a rank: one for each mesh axis it reduces over, and one for tied parameters.
#pragma once

#include <memory>

#include "stages/plan/plan.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// A rank's communicators, by the ranks in their groups; of one rank where the plan has no group.
struct MeshCommunicators {
  std::unique_ptr<Communicator> tensor;  // same stage and data rank
  std::unique_ptr<Communicator> data;    // same stage and tensor rank
  std::unique_ptr<Communicator> tied;    // stages of first and last chunk; same data, tensor rank
};

/// Makes the rank's groups of the plan in their order. Each is collective over its members alone.
/// `world` has the ranks of the mesh.
MeshCommunicators mesh_communicators(Communicator& world, const TrainingPlan& plan);

}  // namespace stagecraft
