// Processes with a GPU each, through NCCL. What needs no device (the ids of groups, meetings, the
// abort) goes over a communicator on the host, which every group has beside it.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/world.h"
#include "tensor_parallel/communicator.h"

namespace stagecraft {

/// This process's share of NCCL, on `device`, a GPU. `watched` is a group of the whole world on the
/// host. Throws Error with the remedy where NCCL was not built in or cannot be loaded.
std::shared_ptr<nccl::World> open_nccl(Device device, std::unique_ptr<Communicator> watched);

/// NCCL's version, as "2.28.9". Throws Error as open_nccl does.
std::string nccl_version();

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
