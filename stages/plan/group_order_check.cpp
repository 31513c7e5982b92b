#include "stages/plan/group_order_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace stagecraft {
namespace {

/// All ranks make their groups, each as soon as its members have come to it.
class Execution {
 public:
  Execution(const std::vector<RankGroup>& groups, const std::vector<std::vector<int>>& orders)
      : groups_(groups), orders_(orders), next_(orders.size(), 0), arrived_(groups.size(), 0) {
    for (int rank = 0; rank < ranks(); ++rank) {
      arrive(rank);
    }
  }

  void run() {
    while (!complete_.empty()) {
      const int group = complete_.back();
      complete_.pop_back();
      for (const int member : members_of(group)) {
        ++next_[static_cast<std::size_t>(member)];
        arrive(member);
      }
    }
  }

  int ranks() const { return static_cast<int>(orders_.size()); }
  const std::vector<int>& members_of(int group) const {
    return groups_[static_cast<std::size_t>(group)].members;
  }
  /// The group that a rank waits in; empty when it has made all its groups.
  std::optional<int> current(int rank) const {
    const auto at = static_cast<std::size_t>(rank);
    return next_[at] < orders_[at].size() ? std::optional(orders_[at][next_[at]]) : std::nullopt;
  }
  /// A member that has not come to `group`.
  int missing(int group) const {
    const std::vector<int>& members = members_of(group);
    return *std::find_if(members.begin(), members.end(),
                         [&](int member) { return current(member) != group; });
  }

 private:
  void arrive(int rank) {
    const std::optional<int> group = current(rank);
    if (group && ++arrived_[static_cast<std::size_t>(*group)] == members_of(*group).size()) {
      complete_.push_back(*group);
    }
  }

  const std::vector<RankGroup>& groups_;
  const std::vector<std::vector<int>>& orders_;
  std::vector<std::size_t> next_;     // by rank, the next group in its order
  std::vector<std::size_t> arrived_;  // by group, members that have come to it
  std::vector<int> complete_;         // groups whose members have all come
};

/// A rank makes each of its groups once, and no other.
std::string fault_of_memberships(const std::vector<RankGroup>& groups,
                                 const std::vector<std::vector<int>>& orders) {
  const auto wanted = group_orders(groups, static_cast<int>(orders.size()));
  for (std::size_t rank = 0; rank < orders.size(); ++rank) {
    std::vector<int> made = orders[rank];
    std::sort(made.begin(), made.end());
    const auto [at, other] =
        std::mismatch(made.begin(), made.end(), wanted[rank].begin(), wanted[rank].end());
    if (other != wanted[rank].end() && (at == made.end() || *at > *other)) {
      return fmt::format("rank {} does not make {}, which has it; make it there, too", rank,
                         to_string(groups[static_cast<std::size_t>(*other)]));
    }
    if (at != made.end()) {
      return fmt::format("rank {} makes {} where it is no member, or twice; leave that out", rank,
                         to_string(groups[static_cast<std::size_t>(*at)]));
    }
  }
  return {};
}

/// Follows the waiting ranks from `rank` until one comes up again.
std::vector<int> cycle_from(const Execution& execution, int rank) {
  std::vector<int> waiting;
  auto seen = waiting.end();
  while (seen == waiting.end()) {
    waiting.push_back(rank);
    rank = execution.missing(*execution.current(rank));
    seen = std::find(waiting.begin(), waiting.end(), rank);
  }
  return {seen, waiting.end()};
}

std::string cycle_text(const std::vector<RankGroup>& groups, const Execution& execution,
                       const std::vector<int>& cycle) {
  std::string text;
  for (const int rank : cycle) {
    const int group = *execution.current(rank);
    text +=
        fmt::format("rank {} makes {} and waits for rank {}; ", rank,
                    to_string(groups[static_cast<std::size_t>(group)]), execution.missing(group));
  }
  return text + "make the groups in one order on these ranks";
}

}  // namespace

std::string fault_of_orders(const std::vector<RankGroup>& groups,
                            const std::vector<std::vector<int>>& orders) {
  std::string fault = fault_of_memberships(groups, orders);
  if (!fault.empty()) {
    return fault;
  }
  Execution execution(groups, orders);
  execution.run();
  for (int rank = 0; rank < execution.ranks(); ++rank) {
    if (execution.current(rank)) {
      return cycle_text(groups, execution, cycle_from(execution, rank));
    }
  }
  return {};
}

}  // namespace stagecraft
