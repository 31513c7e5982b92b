// The proof that ranks which make their groups in given orders do not wait for each other in a
// circle.
#pragma once

#include <string>
#include <vector>

#include "stages/plan/rank_group.h"

namespace stagecraft {

/// `orders[r]`: the positions of the groups that rank r makes, one after the other. Making a group
/// is taken to wait for all of its members. Returns "" if every rank makes all its groups in the
/// end; else the ranks and groups that wait for each other, with the remedy. Linear in the members
/// of all groups.
std::string fault_of_orders(const std::vector<RankGroup>& groups,
                            const std::vector<std::vector<int>>& orders);

}  // namespace stagecraft
