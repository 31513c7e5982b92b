// Comparison of clocks along a tree.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "actors/protocol/clock_reading.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// One clock's part in the tree of rank_tree.h. Members call read_subtree(), and all but the first
/// then call report().
class ClockTree {
 public:
  /// `ranks`: of `world`, one for each clock. `index`: this rank's in it. `now` reads its clock.
  ClockTree(Communicator& world, std::vector<int> ranks, int index,
            std::function<std::int64_t()> now);

  /// The readings of the clocks of this subtree against this rank's clock, by index. The children
  /// read their own subtrees before they answer, all at the same time.
  std::vector<ClockReading> read_subtree();
  /// Answers the parent's questions and sends it the readings of this subtree.
  void report(const std::vector<ClockReading>& readings);

 private:
  int clocks() const { return static_cast<int>(ranks_.size()); }
  int rank_of(int index) const { return ranks_[static_cast<std::size_t>(index)]; }
  ClockReading ask(int rank);
  void answer(int rank);
  std::vector<ClockReading> receive_subtree(int child);

  Communicator& world_;
  std::vector<int> ranks_;
  int index_;
  std::function<std::int64_t()> now_;
};

}  // namespace stagecraft
