// A channel between two processes that share no memory.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"
#include "stages/program/edge.h"
#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft {

/// A channel between two processes that share no memory. The destination posts the receives of the
/// next kReceiveSlots tensors ahead. The source keeps a tensor that it sent, and is charged for it,
/// until the credit. Both ends must use the same tag and capacity; `p2p` must outlive them.
std::unique_ptr<Channel> make_p2p_source(P2pTransport& p2p, int to, int tag,
                                         std::int64_t capacity_bytes);
std::unique_ptr<Channel> make_p2p_destination(P2pTransport& p2p, int from, int tag,
                                              std::int64_t capacity_bytes, MemoryResource& memory);

/// The tag of an edge. It only has to tell apart the edges between the same two ranks, which are in
/// one column of the mesh, so the payload suffices.
int p2p_tag(const Edge& edge);

}  // namespace stagecraft
