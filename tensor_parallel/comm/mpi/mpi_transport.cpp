#include "tensor_parallel/comm/mpi/mpi_transport.h"

#include <climits>
#include <iterator>
#include <new>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft::mpi {
namespace {

int count_of(std::size_t bytes) {
  require(bytes <= INT_MAX, "courier", "a message carries at most {} bytes, not {}", INT_MAX,
          bytes);
  return static_cast<int>(bytes);
}

}  // namespace

MpiCourier::MpiCourier(std::shared_ptr<World> world, MPI_Comm comm)
    : world_(std::move(world)), comm_(comm), thread_([this] { carry(); }) {}

MpiCourier::~MpiCourier() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  work_.notify_all();
  thread_.join();
  give_up();
}

// MPI is called under the lock, which keeps the order of one tag's messages that of the calls.
Courier::Ticket MpiCourier::send(int to, int tag, std::span<const std::byte> bytes) {
  const int count = count_of(bytes.size());
  const std::lock_guard lock(mutex_);
  world_->check();
  Parcel parcel;
  check_mpi(MPI_Isend(bytes.data(), count, MPI_BYTE, to, tag, comm_, &parcel.request), "MPI_Isend");
  return begin(parcel);
}

Courier::Ticket MpiCourier::receive(int from, int tag, std::span<std::byte> bytes) {
  const int count = count_of(bytes.size());
  const std::lock_guard lock(mutex_);
  world_->check();
  Parcel parcel{.receives = true};
  check_mpi(MPI_Irecv(bytes.data(), count, MPI_BYTE, from, tag, comm_, &parcel.request),
            "MPI_Irecv");
  return begin(parcel);
}

Courier::Ticket MpiCourier::begin(const Parcel& parcel) {
  parcels_.emplace(next_, parcel);
  ++under_way_;
  backoff_.progressed();
  work_.notify_one();
  return next_++;
}

bool MpiCourier::done(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  return world_->aborted() || parcels_.at(ticket).done;
}

void MpiCourier::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  const auto found = parcels_.find(ticket);
  require(found != parcels_.end(), "courier", "ticket {} is unknown, or was waited for", ticket);
  moved_.wait(lock, [&] { return found->second.done || world_->aborted(); });
  if (!found->second.done) {
    world_->check();
  }
  const std::string fault = std::move(found->second.fault);
  parcels_.erase(found);
  require(fault.empty(), "courier", "{}", fault);
}

void MpiCourier::abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = parcels_.find(ticket);
  if (found == parcels_.end()) {
    return;
  }
  Parcel& parcel = found->second;
  if (!parcel.done && parcel.receives) {
    MPI_Cancel(&parcel.request);  // which completes it
  }
  if (parcel.done) {
    parcels_.erase(found);
  } else if (test(parcel)) {
    parcels_.erase(found);
    --under_way_;
  } else {
    parcel.owner = std::move(owner);
  }
}

/// The thread.
void MpiCourier::carry() {
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
      return;  // whoever waits from now on sees the abort by himself
    }
    rest(lock, moved);
  }
}

/// True when a parcel has arrived.
bool MpiCourier::test_all() {
  bool moved = false;
  for (auto at = parcels_.begin(); at != parcels_.end();) {
    Parcel& parcel = at->second;
    if (!parcel.done && test(parcel)) {
      moved = true;
      --under_way_;
    }
    at = parcel.done && parcel.owner != nullptr ? parcels_.erase(at) : std::next(at);
  }
  return moved;
}

bool MpiCourier::test(Parcel& parcel) {
  int done = 0;
  try {
    check_mpi(MPI_Test(&parcel.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  } catch (const Error& error) {
    parcel.fault = error.what();
    done = 1;
  }
  parcel.done = done != 0;
  return parcel.done;
}

/// Others get the lock and the core; after many looks that found nothing, for a short while, which
/// a new parcel ends.
void MpiCourier::rest(std::unique_lock<std::mutex>& lock, bool moved) {
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

/// A receive that was abandoned is cancelled already, and MPI takes no second cancel. What a send
/// still reads is left to it: it cannot be called back.
void MpiCourier::give_up() noexcept {
  for (auto& [ticket, parcel] : parcels_) {
    if (parcel.done) {
      continue;
    }
    if (parcel.receives && parcel.owner == nullptr) {
      MPI_Cancel(&parcel.request);
    }
    MPI_Request_free(&parcel.request);
    if (!parcel.receives) {
      static_cast<void>(new (std::nothrow) auto(std::move(parcel.owner)));
    }
  }
}

}  // namespace stagecraft::mpi
