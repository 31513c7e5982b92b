#include "tensor_parallel/comm/nccl/world.h"

#include <chrono>
#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/ops/host_copy.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft::nccl {
namespace {

/// The interval at which the thread polls for an abort by another process.
constexpr std::chrono::milliseconds kPollInterval{5};

}  // namespace

World::World(Library library, Device device, std::unique_ptr<Communicator> watched)
    : library_(std::move(library)),
      device_(device),
      watched_(std::move(watched)),
      host_stream_(make_stream({DeviceKind::cpu, 0}, {})),
      watcher_([this] { watch(); }) {}

World::~World() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

std::shared_ptr<Link> World::connect(Communicator& host, int most_blocks) {
  std::shared_ptr<Link> link = library_.connect({.device = device_.index,
                                                 .rank = host.rank(),
                                                 .size = host.size(),
                                                 .id = shared_id(host),
                                                 .most_blocks = most_blocks,
                                                 .check = [this] { check(); }});
  const std::lock_guard lock(mutex_);
  std::erase_if(links_, [](const auto& old) { return old.expired(); });
  links_.push_back(link);
  return link;
}

/// Member 0 creates the id. It travels along the tree of rank_tree.h as an int32 tensor: its
/// length, then its text.
std::string World::shared_id(Communicator& host) {
  constexpr std::size_t kMax = 252;
  struct CallSignature {
    std::uint32_t length = 0;
    std::array<char, kMax> text{};
  } signature;
  if (host.rank() == 0) {
    const std::string id = library_.new_id();
    require(id.size() <= kMax, "nccl", "a group's id of {} bytes is too long", id.size());
    signature.length = static_cast<std::uint32_t>(id.size());
    std::copy(id.begin(), id.end(), signature.text.begin());
  }
  const Tensor words(host_stream_->memory(), {sizeof signature / sizeof(std::int32_t)},
                     DType::int32, MemoryLabel::workspace);
  copy_from_host(*host_stream_, {std::as_bytes(std::span(&signature, 1)), words});
  if (host.rank() > 0) {
    host.recv(*host_stream_, words, tree_parent(host.rank()));
  }
  for (const int child : tree_children(host.rank(), host.size())) {
    host.send(*host_stream_, words, child);
  }
  copy_to_host(*host_stream_, {words, std::as_writable_bytes(std::span(&signature, 1))});
  return {signature.text.data(), signature.length};
}

void World::abort(std::string_view culprit) noexcept {
  watched_->abort(culprit);
  abort_links();
}

bool World::is_over() noexcept {
  try {
    check();
  } catch (...) {
    return true;
  }
  return false;
}

void World::watch() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kPollInterval, [&] { return leaving_; })) {
    if (is_over()) {
      lock.unlock();
      abort_links();
      return;
    }
  }
}

/// Each on a thread of its own: NCCL waits for a link's work on the device, which may lie behind
/// that of a link that has yet to be aborted.
void World::abort_links() noexcept {
  std::vector<std::jthread> aborts;
  const std::lock_guard lock(mutex_);
  for (const auto& known : links_) {
    if (auto link = known.lock()) {
      aborts.emplace_back([link = std::move(link)] { link->abort(); });
    }
  }
}

}  // namespace stagecraft::nccl
