#include "actors/run/control_receivers.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "stages/plan/channel_endpoints.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {

std::vector<int> control_receivers(const TrainingPlan& plan, int rank) {
  if (rank > 0) {
    const std::vector<int> peers = channel_peers(plan.mesh, plan.program.stage_of_chunk, rank);
    std::set<int> all(peers.begin(), peers.end());
    all.insert(tree_parent(rank));
    for (const int child : tree_children(rank, plan.mesh.ranks())) {
      all.insert(child);
    }
    return {all.begin(), all.end()};
  }
  std::vector<int> others(static_cast<std::size_t>(plan.mesh.ranks()) - 1);
  std::iota(others.begin(), others.end(), 1);
  return others;
}

int control_connections(const TrainingPlan& plan, int rank) {
  const std::vector<int> receivers = control_receivers(plan, rank);
  const bool has_driver =
      rank == 0 || std::find(receivers.begin(), receivers.end(), 0) != receivers.end();
  return static_cast<int>(receivers.size()) + (has_driver ? 0 : 1);
}

}  // namespace stagecraft
