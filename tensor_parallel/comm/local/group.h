// The shared state of one group of threads: rounds in which all members meet, and a mailbox for
// each ordered pair.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tensor_parallel/comm/local/mailbox.h"
#include "tensor_parallel/comm/local/posting.h"
#include "tensor_parallel/comm/local/world.h"

namespace stagecraft::local {

/// The data that members exchange when all of them meet.
struct Round {
  std::vector<Posting> postings;  // by rank
  std::string fault;              // every member throws it; empty: no fault
  bool finished = false;          // the last member to arrive has issued all the work
  Event done;                     // the end of that work
};

class Group : public Waitable {
 public:
  static std::shared_ptr<Group> make(const std::shared_ptr<World>& world, int size);
  Group(std::shared_ptr<World> world, int size);

  int size() const { return size_; }
  const std::shared_ptr<World>& world() const { return world_; }
  /// From one member to another.
  Mailbox& mailbox(int from, int to) {
    return mailboxes_.at(static_cast<std::size_t>(from) * size_ + to);
  }

  /// Publishes `posting` and waits for the other members. The last member to arrive calls `last`
  /// while the others still wait. The round may be read until this member calls meet() for the
  /// second time after it: two rounds alternate, so that a fast member's next posting does not
  /// overwrite one that a slow member still reads. Throws AbortedError. An exception from `last`
  /// aborts the world.
  Round& meet(int rank, Posting posting, const std::function<void(Round&)>& last);

  void wake() noexcept override;

 private:
  /// Returns when round `meeting` is over or the world is aborted.
  void await(std::unique_lock<std::mutex>& lock, std::uint64_t meeting);
  void finish(std::unique_lock<std::mutex>& lock, Round& round,
              const std::function<void(Round&)>& last);

  std::shared_ptr<World> world_;
  int size_;
  std::vector<Mailbox> mailboxes_;
  std::mutex mutex_;
  std::condition_variable met_;
  int arrived_ = 0;
  std::atomic<std::uint64_t> meetings_ = 0;  // completed rounds
  std::array<Round, 2> rounds_;
};

}  // namespace stagecraft::local
