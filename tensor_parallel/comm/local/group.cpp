#include "tensor_parallel/comm/local/group.h"

#include <sched.h>

#include <chrono>
#include <exception>
#include <utility>

namespace stagecraft::local {

std::shared_ptr<Group> Group::make(const std::shared_ptr<World>& world, int size) {
  auto group = std::make_shared<Group>(world, size);
  world->watch(group);
  return group;
}

Group::Group(std::shared_ptr<World> world, int size)
    : world_(std::move(world)), size_(size), mailboxes_(static_cast<std::size_t>(size) * size) {
  for (Round& round : rounds_) {
    round.postings.resize(static_cast<std::size_t>(size));
  }
}

Round& Group::meet(int rank, Posting posting, const std::function<void(Round&)>& last) {
  const AbortFlag& flag = world_->flag();
  std::unique_lock lock(mutex_);
  flag.check();
  const std::uint64_t meeting = meetings_;
  Round& round = rounds_.at(meeting % 2);
  round.postings.at(static_cast<std::size_t>(rank)) = std::move(posting);
  if (++arrived_ == size_) {
    finish(lock, round, last);
  } else {
    await(lock, meeting);
  }
  flag.check();
  return round;
}

/// The other members usually arrive soon, and sleeping and waking take longer than a short poll. So
/// it polls first.
void Group::await(std::unique_lock<std::mutex>& lock, std::uint64_t meeting) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds kLook{50};
  const AbortFlag& flag = world_->flag();
  const auto over = [&] { return meetings_ != meeting || flag.raised(); };
  lock.unlock();
  for (const auto end = Clock::now() + kLook; !over() && Clock::now() < end;) {
    ::sched_yield();
  }
  lock.lock();
  met_.wait(lock, over);
}

/// `last` runs without the lock, because an abort needs the lock to wake the others.
void Group::finish(std::unique_lock<std::mutex>& lock, Round& round,
                   const std::function<void(Round&)>& last) {
  lock.unlock();
  try {
    last(round);
  } catch (const std::exception& error) {
    world_->abort(error.what());
    throw;
  }
  lock.lock();
  arrived_ = 0;
  ++meetings_;
  met_.notify_all();
}

void Group::wake() noexcept {
  {
    const std::lock_guard lock(mutex_);
    met_.notify_all();
  }
  for (Mailbox& mailbox : mailboxes_) {
    mailbox.wake();
  }
}

}  // namespace stagecraft::local
