// An exchange through a shared window.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/contract/shared_window.h"
#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// Size in bytes of a group's window.
std::int64_t window_bytes(int members);

/// `members`: world ranks of one node, in the group's order. `rank`: this process's index in
/// `members`. `window`: window_bytes(members) bytes, initially zero, the same window for all.
std::unique_ptr<Exchange> make_window_exchange(std::shared_ptr<World> world, SharedWindow window,
                                               const std::vector<int>& members, int rank);

}  // namespace stagecraft::mpi
