// Sessions with chosen nodes: for start_mpi, and for tests of several nodes on one machine.
#pragma once

#include <memory>
#include <optional>

#include "tensor_parallel/comm/mpi/runtime.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft::mpi {

/// Ranks with equal `node` share windows; they have to run on one machine. Without `node`, MPI
/// decides which ranks share a node. Collective. One runtime may have several sessions in sequence;
/// each starts in a fresh state, also after an aborted one.
std::unique_ptr<MpiSession> make_session(std::shared_ptr<Runtime> runtime, std::optional<int> node);

}  // namespace stagecraft::mpi
