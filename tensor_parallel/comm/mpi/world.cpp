#include "tensor_parallel/comm/mpi/world.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "kernels/base/cpu_share.h"
#include "kernels/base/error.h"

namespace stagecraft::mpi {
namespace {

/// The interval at which a wait polls for aborts of other nodes, which cannot wake its futex.
constexpr std::chrono::milliseconds kPollInterval{20};

/// Polls before a wait sleeps. For a short wait polling is cheaper, if every process has a core.
constexpr int kSpins = 4000;

inline void pause() { __builtin_ia32_pause(); }

}  // namespace

World::World(std::shared_ptr<Runtime> runtime, MPI_Comm comm, std::vector<int> nodes, Node node)
    : runtime_(std::move(runtime)), comm_(comm), nodes_(std::move(nodes)), node_(std::move(node)) {
  MPI_Comm_rank(comm_, &rank_);
  int group_rank = 0;
  for (const int other : nodes_) {
    node_ranks_.push_back(other == nodes_.at(static_cast<std::size_t>(rank_)) ? group_rank++ : -1);
  }
  // Processors of the host, since this process may be bound to its own alone.
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  const bool roomy = node_.members() <= std::min(processors, quota_cores().value_or(processors));
  spins_ = roomy ? kSpins : 0;
}

World::~World() {
  if (abort_message_ != nullptr) {
    runtime_->keep(abort_message_);
  }
}

bool World::share_node(std::span<const int> ranks) const {
  const auto node_of = [&](int rank) { return nodes_.at(static_cast<std::size_t>(rank)); };
  return std::all_of(ranks.begin(), ranks.end(),
                     [&](int rank) { return node_of(rank) == node_of(ranks.front()); });
}

void World::abort(std::string_view culprit) noexcept {
  if (!node_.raise(culprit) || !spans_nodes()) {
    return;
  }
  try {
    notify_other_nodes(culprit);
  } catch (...) {
    // This node knows of the abort. The failure monitors of other nodes detect the failure
    // themselves.
  }
}

/// MPI sends messages of this size at once, so nothing waits for the requests.
void World::notify_other_nodes(std::string_view culprit) {
  auto news = std::make_shared<std::array<char, 192>>();
  std::memcpy(news->data(), culprit.data(), std::min(culprit.size(), news->size() - 1));
  // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): the requests are freed at once
  for (int rank = 0; rank < size(); ++rank) {
    if (node_ranks_.at(static_cast<std::size_t>(rank)) < 0) {
      MPI_Request request = MPI_REQUEST_NULL;
      MPI_Isend(news->data(), static_cast<int>(news->size()), MPI_CHAR, rank, kAbortTag, comm_,
                &request);
      MPI_Request_free(&request);
    }
  }
  abort_message_ = std::move(news);
}

void World::poll_other_nodes() noexcept {
  const std::unique_lock lock(polling_, std::try_to_lock);
  int there = 0;
  if (!lock.owns_lock() ||
      MPI_Iprobe(MPI_ANY_SOURCE, kAbortTag, comm_, &there, MPI_STATUS_IGNORE) != MPI_SUCCESS ||
      there == 0) {
    return;
  }
  std::array<char, 192> news{};
  MPI_Recv(news.data(), static_cast<int>(news.size()), MPI_CHAR, MPI_ANY_SOURCE, kAbortTag, comm_,
           MPI_STATUS_IGNORE);
  node_.raise(news.data());
}

bool World::aborted() noexcept {
  if (!node_.raised() && spans_nodes()) {
    poll_other_nodes();
  }
  return node_.raised();
}

void World::check() {
  if (aborted()) [[unlikely]] {
    node_.check();
  }
}

void World::wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (int spin = 0; spin < spins_; ++spin) {
    if (word.load(std::memory_order_acquire) != value) {
      return;
    }
    pause();
  }
  Futex& futex = node_.futex(node_ranks_.at(static_cast<std::size_t>(rank_)));
  for (;;) {
    const std::uint32_t generation = futex.generation();
    check();
    if (word.load() != value) {
      return;
    }
    futex.sleep(generation, spans_nodes() ? kPollInterval : std::chrono::milliseconds(0));
  }
}

void World::wake(int rank) noexcept {
  node_.futex(node_ranks_.at(static_cast<std::size_t>(rank))).wake();
}

}  // namespace stagecraft::mpi
