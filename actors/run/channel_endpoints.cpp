#include "actors/run/channel_endpoints.h"

namespace stagecraft {

std::vector<Route> routes_of(const TrainingPlan& plan) {
  std::vector<Route> routes;
  for (const Edge& edge : edges_of(plan.program.stage_of_chunk)) {
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      MeshPlace place = place_of(plan.mesh, rank);
      if (place.pipeline == edge.source) {
        place.pipeline = edge.destination;
        routes.push_back({edge, rank, rank_at(plan.mesh, place)});
      }
    }
  }
  return routes;
}

}  // namespace stagecraft
