// The members of a new group, as make_group gets them.
#pragma once

#include <vector>

namespace stagecraft {

/// The index of `rank` in `members`: its rank in the new group. Throws Error if `rank` is missing,
/// if a member is not in the group of `size` from which the new group is made, if one occurs
/// twice, or if the tag is negative.
int check_members(const std::vector<int>& members, int tag, int rank, int size);

/// The members of the new group as ranks of the world; `world_ranks` has those of the larger group.
std::vector<int> members_in_world(const std::vector<int>& members,
                                  const std::vector<int>& world_ranks);

}  // namespace stagecraft
