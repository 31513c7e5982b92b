// The channels of a rank whose pipeline neighbours are other processes.
#pragma once

#include <memory>

#include "stages/execute/executor.h"
#include "stages/plan/plan.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// Collective over the two ranks of each channel alone. Uses shared windows with neighbours that
/// can share them, and P2P transport otherwise. `stream` is the rank's own and outlives the
/// channels.
Channels connect_channels(MpiSession& session, const TrainingPlan& plan, Stream& stream);

/// The same between GPUs, one group for each channel of the rank, in the plan's order of groups.
/// Each is collective over its two ranks. `world` is the host communicator of all ranks.
Channels connect_device_channels(Communicator& world, const std::shared_ptr<nccl::World>& nccl,
                                 const TrainingPlan& plan, Stream& stream);

}  // namespace stagecraft
