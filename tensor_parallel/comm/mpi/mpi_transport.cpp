#include "tensor_parallel/comm/mpi/mpi_transport.h"

#include <climits>
#include <iterator>
#include <new>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft::mpi {
namespace {

int count_of(std::size_t bytes) {
  require(bytes <= INT_MAX, "P2P transport", "a message may have at most {} bytes, not {}", INT_MAX,
          bytes);
  return static_cast<int>(bytes);
}

}  // namespace

MpiTransport::MpiTransport(std::shared_ptr<World> world, MPI_Comm comm)
    : world_(std::move(world)), comm_(comm), thread_([this] { run(); }) {}

MpiTransport::~MpiTransport() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  work_.notify_all();
  thread_.join();
  give_up();
}

// MPI is called under the lock, so that the messages of one tag keep the order of the calls.
P2pTransport::Ticket MpiTransport::send(int to, int tag, std::span<const std::byte> bytes) {
  const int count = count_of(bytes.size());
  const std::lock_guard lock(mutex_);
  world_->check();
  Transfer transfer;
  check_mpi(MPI_Isend(bytes.data(), count, MPI_BYTE, to, tag, comm_, &transfer.request),
            "MPI_Isend");
  return begin(transfer);
}

P2pTransport::Ticket MpiTransport::receive(int from, int tag, std::span<std::byte> bytes) {
  const int count = count_of(bytes.size());
  const std::lock_guard lock(mutex_);
  world_->check();
  Transfer transfer{.receives = true};
  check_mpi(MPI_Irecv(bytes.data(), count, MPI_BYTE, from, tag, comm_, &transfer.request),
            "MPI_Irecv");
  return begin(transfer);
}

P2pTransport::Ticket MpiTransport::begin(const Transfer& transfer) {
  transfers_.emplace(next_, transfer);
  ++under_way_;
  backoff_.progressed();
  work_.notify_one();
  return next_++;
}

bool MpiTransport::done(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  return world_->aborted() || transfers_.at(ticket).done;
}

void MpiTransport::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  const auto found = transfers_.find(ticket);
  require(found != transfers_.end(), "P2P transport",
          "ticket {} is unknown, or wait() has already returned for it", ticket);
  moved_.wait(lock, [&] { return found->second.done || world_->aborted(); });
  if (!found->second.done) {
    world_->check();
  }
  const std::string fault = std::move(found->second.fault);
  transfers_.erase(found);
  require(fault.empty(), "P2P transport", "{}", fault);
}

void MpiTransport::abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = transfers_.find(ticket);
  if (found == transfers_.end()) {
    return;
  }
  Transfer& transfer = found->second;
  if (!transfer.done && transfer.receives) {
    MPI_Cancel(&transfer.request);  // completes the request
  }
  if (transfer.done) {
    transfers_.erase(found);
  } else if (test(transfer)) {
    transfers_.erase(found);
    --under_way_;
  } else {
    transfer.owner = std::move(owner);
  }
}

/// The progress thread.
void MpiTransport::run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (under_way_ == 0) {
      work_.wait(lock, [&] { return ended_ || under_way_ > 0; });
      continue;
    }
    const bool moved = test_all();
    const bool over = world_->aborted();
    if (moved || over) {
      moved_.notify_all();
    }
    if (over) {
      return;  // later calls of wait() check for the abort themselves
    }
    rest(lock, moved);
  }
}

/// True if a transfer has completed.
bool MpiTransport::test_all() {
  bool moved = false;
  for (auto at = transfers_.begin(); at != transfers_.end();) {
    Transfer& transfer = at->second;
    if (!transfer.done && test(transfer)) {
      moved = true;
      --under_way_;
    }
    at = transfer.done && transfer.owner != nullptr ? transfers_.erase(at) : std::next(at);
  }
  return moved;
}

bool MpiTransport::test(Transfer& transfer) {
  int done = 0;
  try {
    check_mpi(MPI_Test(&transfer.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  } catch (const Error& error) {
    transfer.fault = error.what();
    done = 1;
  }
  transfer.done = done != 0;
  return transfer.done;
}

/// Releases the lock and yields the core. After many polls without progress it sleeps for a short
/// time, which a new transfer ends.
void MpiTransport::rest(std::unique_lock<std::mutex>& lock, bool moved) {
  if (moved) {
    backoff_.progressed();
  } else {
    backoff_.missed();
  }
  if (!backoff_.patient()) {
    work_.wait_for(lock, Backoff::kNap, [&] { return backoff_.patient() || ended_; });
    return;
  }
  lock.unlock();
  ::sched_yield();
  lock.lock();
}

/// An abandoned receive is cancelled already, and MPI allows no second cancel. A send cannot be
/// cancelled, so the owner of its bytes is leaked.
void MpiTransport::give_up() noexcept {
  for (auto& [ticket, transfer] : transfers_) {
    if (transfer.done) {
      continue;
    }
    if (transfer.receives && transfer.owner == nullptr) {
      MPI_Cancel(&transfer.request);
    }
    MPI_Request_free(&transfer.request);
    if (!transfer.receives) {
      static_cast<void>(new (std::nothrow) auto(std::move(transfer.owner)));
    }
  }
}

}  // namespace stagecraft::mpi
