// Processes with a GPU each, through NCCL. What needs no device (the ids of groups, meetings, the
// abort) goes over a communicator on the host, which every group has beside it.
#pragma once

#include <memory>

#include "tensor_parallel/comm/contract/communicator.h"
#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// The group of `host`, numbered alike; collective over it, and made in the same order by all that
/// share more than one group. Tensors and streams are of the world's device; what is started has a
/// stream of its own. `most_blocks`: how many thread blocks (CTAs) an operation may take; 0: as
/// NCCL likes.
///
/// Members that disagree are not noticed: NCCL waits for ever, or mixes what they sent.
std::unique_ptr<Communicator> make_nccl_communicator(std::shared_ptr<nccl::World> world,
                                                     std::unique_ptr<Communicator> host,
                                                     int most_blocks = 0);

}  // namespace stagecraft
