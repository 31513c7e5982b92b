// The communicators of a rank: one for each mesh axis it reduces over, and one for tied parameters.
#pragma once

#include <memory>

#include "stages/plan/plan.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// A rank's communicators, by the ranks in their groups.
struct MeshCommunicators {
  std::unique_ptr<Communicator> tensor;  // same stage and data rank
  std::unique_ptr<Communicator> data;    // same stage and tensor rank
  std::unique_ptr<Communicator> tied;    // stages of first and last chunk; same data, tensor rank
};

/// Collective over `world`, whose rank r is the mesh's rank r.
MeshCommunicators mesh_communicators(Communicator& world, const TrainingPlan& plan);

}  // namespace stagecraft
