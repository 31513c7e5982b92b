// A communicator of one member: collectives copy at most, and wait for nothing.
#pragma once

#include <memory>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

std::unique_ptr<Communicator> make_solo_communicator();

}  // namespace stagecraft
