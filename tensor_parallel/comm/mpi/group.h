// Creates the exchange of a group.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// A window exchange if all members share a node, else a message exchange, which needs no message
/// to be made. `members`: world ranks in the group's order. `number`: see group_number().
/// Collective over the members. If one of them cannot open the window, all throw Error.
std::unique_ptr<Exchange> make_exchange(const std::shared_ptr<World>& world,
                                        const std::vector<int>& members, int number);

}  // namespace stagecraft::mpi
