// Members show each other what they call before they act on it.
#pragma once

#include <string>
#include <vector>

#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/mpi/exchange.h"

namespace stagecraft::mpi {

/// The first bytes of what is laid out for all in a meeting; the payload follows.
inline constexpr std::int64_t kCallSignatureBytes = 64;

/// A turn in which all show their calls, and `payload` bytes, the same number on every member that
/// has agreed or 0, at to_all() + kCallSignatureBytes. Where calls do not go together or one makes
/// no sense, every member throws the same Error, which names the members.
void rendezvous(Exchange& exchange, const Call& call, std::int64_t payload);

/// The same for the two ends of a message, whose ranks in the group are `ranks`.
void rendezvous_pair(Exchange& pair, const Call& call, const std::vector<int>& ranks,
                     std::int64_t payload);

/// Every member's text by rank, of which 500 bytes are kept.
std::vector<std::string> exchange_texts(Exchange& exchange, const std::string& mine);

}  // namespace stagecraft::mpi
