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

/// Runs f and says what went wrong.
template <typename F>
std::string fault_of(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

/// The leader makes the window, and keeps it while the others open it.
std::optional<SharedWindow> share_window(const Seat& seat, bool wanted, const Spread& spread) {
  std::optional<SharedWindow> window;
  std::string key;
  std::string fault;
  const int members = static_cast<int>(seat.members.size());
  if (wanted && seat.rank == 0) {
    fault = fault_of([&] {
      window.emplace(SharedWindow::create(window_bytes(members)));
      key = window->key();
    });
  }
  const std::vector<std::string> keys = spread(key);
  if (wanted && seat.rank != 0) {
    fault = fault_of([&] {
      window.emplace(SharedWindow::open(keys.at(static_cast<std::size_t>(seat.leader))));
    });
  }
  const std::vector<std::string> faults = spread(fault);
  for (std::size_t rank = 0; rank < faults.size(); ++rank) {
    require(faults[rank].empty(), "shared window", "rank {} has no window: {}", rank, faults[rank]);
  }
  return window;
}

}  // namespace

std::unique_ptr<Table> make_table(const std::shared_ptr<World>& world, const Seat& seat,
                                  const Spread& spread) {
  const bool wanted = seat.members.size() > 1 && world->share_node(seat.members);
  std::optional<SharedWindow> window = share_window(seat, wanted, spread);
  if (window.has_value()) {
    return make_window_table(world, std::move(*window), seat.members, seat.rank);
  }
  return make_message_table(world, seat.members, seat.rank, seat.number);
}

Seat seat_after_split(World& world, const std::vector<int>& members,
                      const std::vector<Wish>& wishes, int rank) {
  std::map<int, std::vector<std::pair<int, int>>> groups;  // by color: (key, old rank)
  int number = 0;
  for (std::size_t member = 0; member < wishes.size(); ++member) {
    groups[wishes[member].color].emplace_back(wishes[member].key, static_cast<int>(member));
    number = std::max(number, wishes[member].next_group);
  }
  world.take_groups_up_to(number + static_cast<int>(groups.size()));
  const auto mine = groups.find(wishes.at(static_cast<std::size_t>(rank)).color);
  std::sort(mine->second.begin(), mine->second.end());
  Seat seat{.number = number + static_cast<int>(std::distance(groups.begin(), mine)),
            .leader = mine->second.front().second};
  for (const auto& [key, old_rank] : mine->second) {
    if (old_rank == rank) {
      seat.rank = static_cast<int>(seat.members.size());
    }
    seat.members.push_back(members.at(static_cast<std::size_t>(old_rank)));
  }
  return seat;
}

}  // namespace stagecraft::mpi
