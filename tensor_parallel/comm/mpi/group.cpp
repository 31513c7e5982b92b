#include "tensor_parallel/comm/mpi/group.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/member_texts.h"
#include "tensor_parallel/comm/mpi/message_exchange.h"
#include "tensor_parallel/comm/mpi/window_exchange.h"

namespace stagecraft::mpi {
namespace {

/// Runs f. Returns the text of its exception, with this process's rank, or "".
template <typename F>
std::string fault_of(int rank, F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return fmt::format("rank {} cannot share a window: {}", rank, error.what());
  }
  return {};
}

/// Member 0 creates the window, and keeps it while the others open it.
SharedWindow share_window(World& world, const std::vector<int>& members, int number) {
  MemberTexts texts(world, members, tag_for_all(number));
  std::optional<SharedWindow> window;
  const bool first = members.front() == world.rank();
  const std::string own_fault = fault_of(world.rank(), [&] {
    if (first) {
      window.emplace(SharedWindow::create(window_bytes(static_cast<int>(members.size()))));
    }
  });
  const std::string key = texts.spread(window.has_value() ? window->key() : "");
  const std::string fault =
      texts.first_of(first || key.empty() ? own_fault : fault_of(world.rank(), [&] {
        window.emplace(SharedWindow::open(key));
      }));
  require(fault.empty(), "shared window", "{}", fault);
  return std::move(*window);
}

}  // namespace

std::unique_ptr<Exchange> make_exchange(const std::shared_ptr<World>& world,
                                        const std::vector<int>& members, int number) {
  const auto rank = std::find(members.begin(), members.end(), world->rank()) - members.begin();
  if (members.size() > 1 && world->share_node(members)) {
    return make_window_exchange(world, share_window(*world, members, number), members,
                                static_cast<int>(rank));
  }
  return make_message_exchange(world, members, static_cast<int>(rank), number);
}

}  // namespace stagecraft::mpi
