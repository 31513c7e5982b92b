#include "tensor_parallel/comm/contract/group_members.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::string fault_of(const std::vector<int>& members, int tag, int rank, int size) {
  if (tag < 0) {
    return "tags begin at 0";
  }
  for (const int member : members) {
    if (member < 0 || member >= size) {
      return fmt::format("rank {} is not in a group of {}", member, size);
    }
  }
  if (std::set<int>(members.begin(), members.end()).size() != members.size()) {
    return "a rank occurs twice";
  }
  const bool has = std::find(members.begin(), members.end(), rank) != members.end();
  return has ? "" : "the caller is not a member";
}

}  // namespace

int check_members(const std::vector<int>& members, int tag, int rank, int size) {
  const std::string fault = fault_of(members, tag, rank, size);
  require(fault.empty(), "make_group", "rank {} makes group {} of the ranks {}: {}", rank, tag,
          members, fault);
  return static_cast<int>(std::find(members.begin(), members.end(), rank) - members.begin());
}

std::vector<int> members_in_world(const std::vector<int>& members,
                                  const std::vector<int>& world_ranks) {
  std::vector<int> in_world;
  in_world.reserve(members.size());
  for (const int member : members) {
    in_world.push_back(world_ranks.at(static_cast<std::size_t>(member)));
  }
  return in_world;
}

}  // namespace stagecraft
