#include "actors/run/channel_endpoints.h"

namespace stagecraft {

std::vector<ChannelEndpoints> channel_endpoints(const TrainingPlan& plan) {
  std::vector<ChannelEndpoints> endpoints;
  for (const Edge& edge : edges_of(plan.program.stage_of_chunk)) {
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      MeshCoordinate coordinate = coordinate_of(plan.mesh, rank);
      if (coordinate.pipeline == edge.source) {
        coordinate.pipeline = edge.destination;
        endpoints.push_back({edge, rank, rank_at(plan.mesh, coordinate)});
      }
    }
  }
  return endpoints;
}

}  // namespace stagecraft
