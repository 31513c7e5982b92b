// A communicator whose members are processes.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/contract/communicator.h"
#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// `members`: world ranks in the exchange's order. For CPU streams. Only one thread at a time may
/// use it, except for abort.
std::unique_ptr<Communicator> make_process_communicator(std::shared_ptr<World> world,
                                                        std::vector<int> members,
                                                        std::unique_ptr<Exchange> exchange);

}  // namespace stagecraft::mpi
