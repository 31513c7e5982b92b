// Sessions with the nodes of one's choice: for start_mpi, and for tests that have one machine.
#pragma once

#include <memory>
#include <optional>

#include "tensor_parallel/comm/mpi/runtime.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft::mpi {

/// Ranks of equal `node` share windows, and had better share a machine; nothing: those that do by
/// MPI's word. Collective. One runtime may see many sessions, one after another: each begins
/// afresh, whatever became of the one before.
std::unique_ptr<MpiSession> make_session(std::shared_ptr<Runtime> runtime, std::optional<int> node);

}  // namespace stagecraft::mpi
