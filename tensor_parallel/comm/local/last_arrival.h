// What the last member to arrive at a meeting does for all, while they wait.
#pragma once

#include <memory>
#include <vector>

#include "tensor_parallel/comm/local/group.h"

namespace stagecraft::local {

/// Compares the calls; where they do not go together, the round gets its fault and loses its
/// tensors.
void open(Round& round);

/// Lets go of the tensors, whose buffers their owners may want to free.
void clear(Round& round);

/// Opens the round and, if one member may as well do the work of all, issues it to `stream`: small
/// tensors, for which a second meeting would cost more than it saves, or one GPU's, whose speed all
/// members share anyway. Between GPUs every member works on its own: a workspace that the last to
/// arrive would need is another one's every time.
void begin_collective(Stream& stream, Round& round);

/// A seat for every member in the new groups of a split.
std::vector<GroupRank> group_ranks_of(const std::shared_ptr<World>& world, const Round& round);

}  // namespace stagecraft::local
