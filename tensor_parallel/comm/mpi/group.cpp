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

/// Member 0 creates the window, and keeps it while the others open it.
SharedWindow share_window(World& world, const std::vector<int>& members, int number) {
  std::optional<SharedWindow> window;
  std::string fault;
  const auto attempt = [&](const auto& make) {
    try {
      window.emplace(make());
    } catch (const std::exception& error) {
      fault = fmt::format("rank {} cannot share a window: {}", world.rank(), error.what());
    }
  };
  const bool first = members.front() == world.rank();
  if (first) {
    attempt([&] { return SharedWindow::create(window_bytes(static_cast<int>(members.size()))); });
  }
  MemberTexts texts(world, members, tag_for_all(number));
  const std::string key = texts.spread(window.has_value() ? window->key() : "");
  if (!first && !key.empty()) {
    attempt([&] { return SharedWindow::open(key); });
  }
  const std::string first_fault = texts.first_of(fault);
  require(first_fault.empty(), "shared window", "{}", first_fault);
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
