// Results of a pass reach the driver along a tree of ranks (rank_tree.h): rank 0's stage receives
// log2(ranks) messages instead of one from every rank.
#pragma once

#include <map>
#include <optional>

#include "actors/protocol/messages.h"

namespace stagecraft {

/// Collects the results of one rank's subtree.
class ResultGather {
 public:
  ResultGather(int rank, int ranks);
  /// Returns the results of the whole subtree, by rank, when `part` completes them. Throws Error
  /// for a rank outside the subtree, or one that has answered for this pass already.
  std::optional<PassDone> add(const PassDone& part);

 private:
  int rank_;
  int end_;                                                // of the subtree
  std::map<Pass, std::map<int, RankResults>> incomplete_;  // by rank
};

}  // namespace stagecraft
