// The work of every operation, said in turns of a table. Tensors are in this process's memory.
#pragma once

#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/mpi/exchange.h"

namespace stagecraft::mpi {

/// all_reduce, all_gather, reduce_scatter, broadcast or barrier. Throws on every member alike where
/// calls do not go together.
void perform(Exchange& exchange, const Call& call);

/// send or recv, which makes sense by itself.
void perform_pair(Exchange& exchange, const Call& call);

}  // namespace stagecraft::mpi
