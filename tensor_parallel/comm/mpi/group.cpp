#include "tensor_parallel/comm/mpi/group.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/message_exchange.h"
#include "tensor_parallel/comm/mpi/window_exchange.h"

namespace stagecraft::mpi {
namespace {

/// Runs f. Returns the text of its exception, or "".
template <typename F>
std::string fault_of(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

/// The leader creates the window, and keeps it while the others open it.
std::optional<SharedWindow> share_window(const GroupRank& group_rank, bool wanted,
                                         const AllGatherText& all_gather_text) {
  std::optional<SharedWindow> window;
  std::string key;
  std::string fault;
  const int members = static_cast<int>(group_rank.members.size());
  if (wanted && group_rank.rank == 0) {
    fault = fault_of([&] {
      window.emplace(SharedWindow::create(window_bytes(members)));
      key = window->key();
    });
  }
  const std::vector<std::string> keys = all_gather_text(key);
  if (wanted && group_rank.rank != 0) {
    fault = fault_of([&] {
      window.emplace(SharedWindow::open(keys.at(static_cast<std::size_t>(group_rank.leader))));
    });
  }
  const std::vector<std::string> faults = all_gather_text(fault);
  for (std::size_t rank = 0; rank < faults.size(); ++rank) {
    require(faults[rank].empty(), "shared window", "rank {} cannot share a window: {}", rank,
            faults[rank]);
  }
  return window;
}

}  // namespace

std::unique_ptr<Exchange> make_exchange(const std::shared_ptr<World>& world,
                                        const GroupRank& group_rank,
                                        const AllGatherText& all_gather_text) {
  const bool wanted = group_rank.members.size() > 1 && world->share_node(group_rank.members);
  std::optional<SharedWindow> window = share_window(group_rank, wanted, all_gather_text);
  if (window.has_value()) {
    return make_window_exchange(world, std::move(*window), group_rank.members, group_rank.rank);
  }
  return make_message_exchange(world, group_rank.members, group_rank.rank, group_rank.number);
}

GroupRank group_rank_after_split(World& world, const std::vector<int>& members,
                                 const std::vector<SplitArgs>& split_args, int rank) {
  std::map<int, std::vector<std::pair<int, int>>> groups;  // by color: (key, old rank)
  int number = 0;
  for (std::size_t member = 0; member < split_args.size(); ++member) {
    groups[split_args[member].color].emplace_back(split_args[member].key, static_cast<int>(member));
    number = std::max(number, split_args[member].next_group);
  }
  world.take_groups_up_to(number + static_cast<int>(groups.size()));
  const auto mine = groups.find(split_args.at(static_cast<std::size_t>(rank)).color);
  std::sort(mine->second.begin(), mine->second.end());
  GroupRank group_rank{.number = number + static_cast<int>(std::distance(groups.begin(), mine)),
                       .leader = mine->second.front().second};
  for (const auto& [key, old_rank] : mine->second) {
    if (old_rank == rank) {
      group_rank.rank = static_cast<int>(group_rank.members.size());
    }
    group_rank.members.push_back(members.at(static_cast<std::size_t>(old_rank)));
  }
  return group_rank;
}

}  // namespace stagecraft::mpi
