// A world of one: every collective is done before it starts.
#pragma once

#include <memory>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

std::unique_ptr<Communicator> make_solo_communicator();

}  // namespace stagecraft
