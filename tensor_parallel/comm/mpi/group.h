// How the members of a group come by their table.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// Gives every member of some larger group its text, by rank there. Collective.
using AllGatherText = std::function<std::vector<std::string>(const std::string& mine)>;

/// A new group within the larger one.
struct GroupRank {
  std::vector<int> members = {};  // world ranks in the new group's order
  int rank = 0;                   // of this process in it
  int number = 0;                 // World::next_group
  int leader = 0;                 // member 0's rank in the larger group
};

/// A window where all members share a node, messages elsewhere. All of the larger group call it,
/// each with its own seat: it takes two turns of `spread`, so that every member knows the window's
/// key, and all know whether all have opened theirs; where one has not, all throw Error.
std::unique_ptr<Exchange> make_exchange(const std::shared_ptr<World>& world,
                                        const GroupRank& group_rank,
                                        const AllGatherText& all_gather_text);

/// What the members of a split wish for.
struct SplitArgs {
  int color = 0;
  int key = 0;
  int next_group = 0;
};

/// This member's seat after a split of `members`, whose split_args stand in their order. Takes up
/// the numbers of all new groups.
GroupRank group_rank_after_split(World& world, const std::vector<int>& members,
                                 const std::vector<SplitArgs>& split_args, int rank);

}  // namespace stagecraft::mpi
