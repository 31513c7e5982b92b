// An exchange by MPI messages, between members that share no memory.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// `members`: world ranks in the group's order. `rank`: this process's index in `members`.
/// `number`: of the group, as in group_number().
std::unique_ptr<Exchange> make_message_exchange(std::shared_ptr<World> world,
                                                std::vector<int> members, int rank, int number);

}  // namespace stagecraft::mpi
