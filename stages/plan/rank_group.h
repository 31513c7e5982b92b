// The groups of ranks that a plan needs. Every rank knows the members of all groups, so a group is
// made by its members alone, without the other ranks.
#pragma once

#include <string>
#include <vector>

#include "stages/program/edge.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// channel: the two ends of a channel between GPUs. tensor and data: the ranks along a mesh axis.
/// tied: the ranks that hold the two uses of a tied parameter.
enum class GroupKind { channel, tensor, data, tied };

/// A group of at least two ranks.
struct RankGroup {
  GroupKind kind = GroupKind::tensor;
  std::vector<int> members;  // ascending; of a channel: its source, then its destination
  Edge edge = {};            // of a channel
};

/// "the tensor group of ranks [0, 1]", "the group of channel act 0>1 of ranks [0, 4]".
std::string to_string(const RankGroup& group);

/// All groups of the mesh with this placement of chunks. A rank makes its groups one after the
/// other, in the order of this list; a group's position is its tag (Communicator::make_group). As
/// all ranks follow one list, none waits in a circle; group_order_check.h proves it. A rank that is
/// in no group of a kind is alone there. `tied`: the model has a tied parameter.
std::vector<RankGroup> rank_groups(const MeshShape& mesh, const std::vector<int>& stage_of_chunk,
                                   bool tied);

/// The positions of the groups of every rank, by rank, in the order in which the rank makes them.
std::vector<std::vector<int>> group_orders(const std::vector<RankGroup>& groups, int ranks);

/// The groups of one rank, in the order in which it makes them.
std::vector<int> groups_of_rank(const std::vector<RankGroup>& groups, int rank);

}  // namespace stagecraft
