// A communicator between threads of one process: the reference for every other communicator.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// One communicator per member; element r is rank r. Each is for one thread at a time. size >= 1.
std::vector<std::unique_ptr<Communicator>> make_local_world(int size);

}  // namespace stagecraft
