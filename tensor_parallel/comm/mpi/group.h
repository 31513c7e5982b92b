// Creates the exchange of a group.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor_parallel/comm/mpi/exchange.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// Gathers a text of every member of the larger group, by rank. Collective.
using AllGatherText = std::function<std::vector<std::string>(const std::string& mine)>;

/// A new group within the larger one.
struct GroupRank {
  std::vector<int> members = {};  // world ranks in the new group's order
  int rank = 0;                   // of this process in it
  int number = 0;                 // World::next_group
  int leader = 0;                 // member 0's rank in the larger group
};

/// A window exchange if all members share a node, else a message exchange. Every member of the
/// larger group calls it with its own group_rank. It calls `all_gather_text` twice: the first sends
/// the window's key, the second tells all members whether each has opened the window. If one has
/// not, all throw Error.
std::unique_ptr<Exchange> make_exchange(const std::shared_ptr<World>& world,
                                        const GroupRank& group_rank,
                                        const AllGatherText& all_gather_text);

/// One member's arguments of a split.
struct SplitArgs {
  int color = 0;
  int key = 0;
  int next_group = 0;
};

/// This member's group and rank after a split of `members`; split_args is in the order of
/// `members`. Marks the numbers of all new groups as used.
GroupRank group_rank_after_split(World& world, const std::vector<int>& members,
                                 const std::vector<SplitArgs>& split_args, int rank);

}  // namespace stagecraft::mpi
