// Threads of one process: the reference for every other communicator.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// One end per member, each to be used by one thread at a time; element r is rank r. size >= 1.
std::vector<std::unique_ptr<Communicator>> make_local_world(int size);

}  // namespace stagecraft
