// The channels of a rank whose neighbours are other processes.
#pragma once

#include <memory>

#include "stages/execute/executor.h"
#include "stages/plan/plan.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// Collective over the session. Through windows where a neighbour shares them, else by the courier;
/// `stream` is the rank's own and outlives the channels.
Channels connect_channels(MpiSession& session, const TrainingPlan& plan, Stream& stream);

/// The same between GPUs. Collective over `world`, of all ranks, on the host: one group per edge,
/// in one order.
Channels connect_device_channels(Communicator& world, const std::shared_ptr<nccl::World>& nccl,
                                 const TrainingPlan& plan, Stream& stream);

}  // namespace stagecraft
