// The tree along which the results of a pass reach the driver: rank 0's stage receives log2(ranks)
// messages instead of one from every rank.
#pragma once

#include <map>
#include <optional>

#include "actors/protocol/messages.h"

namespace stagecraft {

/// The rank to which `rank` > 0 sends: `rank` without its lowest binary digit that is 1.
int gather_parent(int rank);
/// How many ranks send through `rank`, itself included: `rank`, `rank` + 1, ...
int gather_size(int rank, int ranks);

/// Collects the results of one rank's subtree.
class ResultGather {
 public:
  ResultGather(int rank, int ranks);
  /// Returns the results of the whole subtree, by rank, when `part` completes them. Throws Error
  /// for a rank outside the subtree, or one that has answered for this pass already.
  std::optional<PassDone> add(const PassDone& part);

 private:
  int rank_;
  int size_;
  std::map<Pass, std::map<int, RankResults>> incomplete_;  // by rank
};

}  // namespace stagecraft
