#include "tensor_parallel/comm/local/forming_groups.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft::local {
namespace {

bool share_a_member(const std::vector<int>& a, const std::vector<int>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

}  // namespace

std::shared_ptr<Group> FormingGroups::join(const std::vector<int>& members, int tag) {
  if (members.size() == 1) {
    return Group::make(world_, 1);
  }
  const std::lock_guard lock(mutex_);
  Forming& found = find(members, tag);
  std::shared_ptr<Group> group = found.group;
  if (++found.joined == members.size()) {
    std::swap(found, forming_.back());
    forming_.pop_back();
  }
  return group;
}

FormingGroups::Forming& FormingGroups::find(const std::vector<int>& members, int tag) {
  for (Forming& forming : forming_) {
    if (forming.tag != tag || !share_a_member(forming.members, members)) {
      continue;
    }
    require(forming.members == members, "make_group",
            "the members of group {} disagree: it has the ranks {}, or the ranks {}", tag,
            forming.members, members);
    return forming;
  }
  forming_.push_back({.tag = tag,
                      .members = members,
                      .group = Group::make(world_, static_cast<int>(members.size()))});
  return forming_.back();
}

}  // namespace stagecraft::local
