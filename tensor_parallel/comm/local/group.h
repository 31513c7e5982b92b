// The shared state of one group of threads: meetings of all, mailboxes between two.
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

class Group;

/// Where a member sits after a split.
struct GroupRank {
  std::shared_ptr<Group> group;
  int rank = 0;
};

/// What lies on the table while all members meet.
struct Round {
  std::vector<Posting> postings;  // by rank
  std::string fault;              // what every member throws; empty: nothing
  bool finished = false;          // the last to arrive has done all the work, until `done`
  Event done;
  std::vector<GroupRank> group_ranks;  // of a split, by rank
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

  /// Lays `posting` on the table and waits for the others; the last to arrive calls `last` while
  /// they still wait. The round may be read until this member arrives at the next but one meeting:
  /// two rounds alternate, so that a fast member's next posting disturbs no slow reader. Throws
  /// AbortedError; what `last` throws ends the world.
  Round& meet(int rank, Posting posting, const std::function<void(Round&)>& last);

  void wake() noexcept override;

 private:
  /// Returns when `meeting` is over or the world ends.
  void await(std::unique_lock<std::mutex>& lock, std::uint64_t meeting);
  void finish(std::unique_lock<std::mutex>& lock, Round& round,
              const std::function<void(Round&)>& last);

  std::shared_ptr<World> world_;
  int size_;
  std::vector<Mailbox> mailboxes_;
  std::mutex mutex_;
  std::condition_variable met_;
  int arrived_ = 0;
  std::atomic<std::uint64_t> meetings_ = 0;  // that are over
  std::array<Round, 2> rounds_;
};

}  // namespace stagecraft::local
