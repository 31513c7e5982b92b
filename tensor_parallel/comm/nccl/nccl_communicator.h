// A communicator over NCCL, for processes with one GPU each. Every group also has a communicator on
// the host, for everything that needs no device: group ids, barriers and the abort.
#pragma once

#include <memory>

#include "tensor_parallel/comm/contract/communicator.h"
#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// A communicator with the members and ranks of `host`. Collective over `host`; members that share
/// several groups create them in the same order. Tensors and streams are on the world's device.
/// It has a communication stream. `most_blocks`: thread blocks (CTAs) that an operation
/// may use; 0: NCCL decides.
///
/// Calls that do not match are not detected: NCCL hangs, or mixes up the data.
std::unique_ptr<Communicator> make_nccl_communicator(std::shared_ptr<nccl::World> world,
                                                     std::unique_ptr<Communicator> host,
                                                     int most_blocks = 0);

}  // namespace stagecraft
