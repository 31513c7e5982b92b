// Every operation as rounds of an exchange. Tensors are in this process's memory.
#pragma once

#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/mpi/exchange.h"

namespace stagecraft::mpi {

/// all_reduce, all_gather, reduce_scatter, broadcast or barrier. If the calls do not match, throws
/// the same Error on every member.
void perform(Exchange& exchange, const Call& call);

/// send or recv. check_call has accepted the call.
void perform_pair(Exchange& exchange, const Call& call);

}  // namespace stagecraft::mpi
