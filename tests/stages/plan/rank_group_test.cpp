#include "stages/plan/rank_group.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "stages/plan/channel_endpoints.h"
#include "stages/plan/group_order_check.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using Members = std::vector<int>;

const std::vector<int> kLine = {0, 1, 2, 3};              // one chunk a stage
const std::vector<int> kLoop = {0, 1, 2, 3, 0, 1, 2, 3};  // interleaved
const std::vector<int> kV = {0, 1, 2, 3, 3, 2, 1, 0};     // zb-v

std::vector<Members> members_of(const std::vector<RankGroup>& groups, GroupKind kind) {
  std::vector<Members> members;
  for (const RankGroup& group : groups) {
    if (group.kind == kind) {
      members.push_back(group.members);
    }
  }
  return members;
}

/// Groups of the given members.
std::vector<RankGroup> groups_with(const std::vector<Members>& members) {
  std::vector<RankGroup> groups;
  for (const Members& ranks : members) {
    groups.push_back({.kind = GroupKind::data, .members = ranks});
  }
  return groups;
}

}  // namespace

TEST_CASE("a mesh of 2 x 2 x 2 has these groups, in this order") {
  const auto groups = rank_groups({2, 2, 2}, {0, 1}, true);
  // rank = (pipeline * 2 + data) * 2 + tensor
  CHECK(members_of(groups, GroupKind::channel) ==
        std::vector<Members>{{0, 4}, {1, 5}, {2, 6}, {3, 7}, {4, 0}, {5, 1}, {6, 2}, {7, 3}});
  CHECK(members_of(groups, GroupKind::tensor) ==
        std::vector<Members>{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(members_of(groups, GroupKind::data) ==
        std::vector<Members>{{0, 2}, {1, 3}, {4, 6}, {5, 7}});
  CHECK(members_of(groups, GroupKind::tied) ==
        std::vector<Members>{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
  CHECK(std::is_sorted(groups.begin(), groups.end(),
                       [](const RankGroup& a, const RankGroup& b) { return a.kind < b.kind; }));
  CHECK(groups_of_rank(groups, 5) == group_orders(groups, 8)[5]);
}

TEST_CASE("a group of one rank is not listed") {
  CHECK(rank_groups({1, 1, 1}, {0}, true).empty());
  CHECK(members_of(rank_groups({1, 4, 1}, {0}, true), GroupKind::tensor) ==
        std::vector<Members>{{0, 1, 2, 3}});
  CHECK(rank_groups({1, 1, 3}, {0}, true).size() == 1);
  CHECK(members_of(rank_groups({4, 1, 1}, kLine, false), GroupKind::tied).empty());
  CHECK(members_of(rank_groups({4, 1, 1}, kLine, true), GroupKind::tied) ==
        std::vector<Members>{{0, 3}});
  // Both ends of a V are on stage 0.
  CHECK(members_of(rank_groups({4, 1, 1}, kV, true), GroupKind::tied).empty());
}

TEST_CASE("the peers of a rank are the neighbours of its stage, in its column") {
  CHECK(channel_peers({4, 1, 1}, kLine, 0) == Members{1});
  CHECK(channel_peers({4, 1, 1}, kLine, 2) == Members{1, 3});
  CHECK(channel_peers({4, 1, 1}, kLoop, 0) == Members{1, 3});
  CHECK(channel_peers({4, 1, 1}, kV, 0) == Members{1});
  CHECK(channel_peers({4, 1, 1}, kV, 3) == Members{2});
  CHECK(channel_peers({4, 2, 2}, kLine, 6) == Members{2, 10});
  CHECK(channel_peers({1, 2, 2}, {0}, 3).empty());
}

TEST_CASE("every placement's groups are made in orders without a circle") {
  for (const auto& placement : {kLine, kLoop, kV}) {
    for (const MeshShape mesh : {MeshShape{4, 1, 1}, {4, 3, 1}, {4, 1, 5}, {4, 2, 3}}) {
      const auto groups = rank_groups(mesh, placement, true);
      CHECK(fault_of_orders(groups, group_orders(groups, mesh.ranks())).empty());
    }
  }
}

TEST_CASE("two ranks that make two groups in opposite orders are refused by name") {
  const auto groups = groups_with({{0, 1}, {1, 0}});
  CHECK(fault_of_orders(groups, {{0, 1}, {0, 1}}).empty());
  const std::string fault = fault_of_orders(groups, {{0, 1}, {1, 0}});
  CHECK(fault ==
        "rank 0 makes the data group of ranks [0, 1] and waits for rank 1; rank 1 makes the data "
        "group of ranks [1, 0] and waits for rank 0; make the groups in one order on these ranks");
}

TEST_CASE("a circle of three ranks is found behind groups that can be made") {
  // 3 waits for the circle of 0, 1 and 2, and is not a part of it.
  const auto groups = groups_with({{0, 1, 2, 3}, {0, 1}, {1, 2}, {2, 0}, {3, 2}});
  CHECK(fault_of_orders(groups, group_orders(groups, 4)).empty());
  const std::string fault = fault_of_orders(groups, {{0, 1, 3}, {0, 2, 1}, {0, 3, 2, 4}, {0, 4}});
  CHECK_THAT(fault, Contains("rank 0 makes the data group of ranks [0, 1] and waits for rank 1"));
  CHECK_THAT(fault, Contains("rank 1 makes the data group of ranks [1, 2] and waits for rank 2"));
  CHECK_THAT(fault, Contains("rank 2 makes the data group of ranks [2, 0] and waits for rank 0"));
  CHECK_THAT(fault, !Contains("rank 3"));
}

TEST_CASE("a rank that leaves out a group, or makes another's, is named") {
  const auto groups = groups_with({{0, 1}, {1, 2}});
  CHECK_THAT(fault_of_orders(groups, {{0}, {0}, {1}}),
             Contains("rank 1 does not make the data group of ranks [1, 2]"));
  CHECK_THAT(fault_of_orders(groups, {{0, 1}, {0, 1}, {1}}),
             Contains("rank 0 makes the data group of ranks [1, 2] where it is no member"));
  CHECK_THAT(fault_of_orders(groups, {{0}, {0, 1, 1}, {1}}), Contains("twice"));
}

TEST_CASE("a channel's group is named by its channel") {
  const auto groups = rank_groups({2, 1, 1}, {0, 1}, false);
  CHECK(to_string(groups.front()) == "the group of channel act 0>1 of ranks [0, 1]");
  CHECK(to_string(groups.back()) == "the group of channel grad 1>0 of ranks [1, 0]");
}

}  // namespace stagecraft
