#include "actors/run/control_receivers.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "stages/plan/channel_endpoints.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {
namespace {

using Ranks = std::vector<int>;

TrainingPlan plan_of(const MeshShape& mesh, const std::vector<int>& stage_of_chunk) {
  TrainingPlan plan;
  plan.mesh = mesh;
  plan.program.stage_of_chunk = stage_of_chunk;
  return plan;
}

bool sends(const TrainingPlan& plan, int from, int to) {
  const Ranks receivers = control_receivers(plan, from);
  return std::find(receivers.begin(), receivers.end(), to) != receivers.end();
}

}  // namespace

TEST_CASE("rank 0 sends to all ranks, the others to neighbours in the pipeline and in the tree") {
  const TrainingPlan line = plan_of({4, 1, 1}, {0, 1, 2, 3});
  CHECK(control_receivers(line, 0) == Ranks{1, 2, 3});
  CHECK(control_receivers(line, 1) == Ranks{0, 2});
  CHECK(control_receivers(line, 3) == Ranks{2});
  const TrainingPlan loop = plan_of({4, 1, 1}, {0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(control_receivers(loop, 3) == Ranks{0, 2});
  const TrainingPlan v = plan_of({4, 1, 1}, {0, 1, 2, 3, 3, 2, 1, 0});
  CHECK(control_receivers(v, 3) == Ranks{2});
  const TrainingPlan no_pipeline = plan_of({1, 2, 2}, {0});
  CHECK(control_receivers(no_pipeline, 0) == Ranks{1, 2, 3});
  CHECK(control_receivers(no_pipeline, 1) == Ranks{0});
  CHECK(control_receivers(no_pipeline, 2) == Ranks{0, 3});  // rank 3 sends its results to rank 2
  CHECK(control_receivers(no_pipeline, 3) == Ranks{2});
}

TEST_CASE("both ends of every channel and every edge of the tree are linked, and counted") {
  for (const auto& stage_of_chunk :
       {Ranks{0, 1, 2, 3}, Ranks{0, 1, 2, 3, 0, 1, 2, 3}, Ranks{0, 1, 2, 3, 3, 2, 1, 0}}) {
    const TrainingPlan plan = plan_of({4, 2, 3}, stage_of_chunk);
    for (const ChannelEndpoints& ends : channel_endpoints(plan.mesh, stage_of_chunk)) {
      CHECK(sends(plan, ends.from, ends.to));
      CHECK(sends(plan, ends.to, ends.from));
    }
    for (int rank = 1; rank < plan.mesh.ranks(); ++rank) {
      CHECK(sends(plan, rank, tree_parent(rank)));
      CHECK(sends(plan, tree_parent(rank), rank));
    }
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      int connections = 0;
      for (int other = 0; other < plan.mesh.ranks(); ++other) {
        const bool linked = sends(plan, rank, other) || sends(plan, other, rank);
        connections += other != rank && linked ? 1 : 0;
      }
      CHECK(control_connections(plan, rank) == connections);
    }
  }
}

}  // namespace stagecraft
