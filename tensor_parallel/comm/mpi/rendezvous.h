// Members compare their calls before they execute them.
#pragma once

#include <vector>

#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/mpi/exchange.h"

namespace stagecraft::mpi {

/// The call signature occupies the first bytes of to_all(); the payload follows.
inline constexpr std::int64_t kCallSignatureBytes = 64;

/// One round in which every member publishes its call signature, and `payload` bytes at to_all() +
/// kCallSignatureBytes: the same number on every member whose calls match, or 0. If the calls do
/// not match or one is not valid, every member throws the same Error, which names the members.
void rendezvous(Exchange& exchange, const Call& call, std::int64_t payload);

/// The same for a send and its recv; `ranks` are the two ranks in the group.
void rendezvous_pair(Exchange& pair, const Call& call, const std::vector<int>& ranks,
                     std::int64_t payload);

}  // namespace stagecraft::mpi
