// A channel between two processes that share no memory.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"
#include "stages/program/edge.h"
#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft {

/// Between two processes that share no memory. The destination expects the next kReceiveSlots
/// tensors ahead; the source keeps what it sends until the credit, and goes on paying for it. Both
/// ends, which `courier` outlives, name the same tag and capacity.
std::unique_ptr<Channel> make_p2p_source(P2pTransport& p2p, int to, int tag,
                                         std::int64_t capacity_bytes);
std::unique_ptr<Channel> make_p2p_destination(P2pTransport& p2p, int from, int tag,
                                              std::int64_t capacity_bytes, MemoryResource& memory);

/// The tag of an edge between its two ranks: these are of one column, so the payload tells apart.
int p2p_tag(const Edge& edge);

}  // namespace stagecraft
