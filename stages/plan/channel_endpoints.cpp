#include "stages/plan/channel_endpoints.h"

#include <set>

namespace stagecraft {
namespace {

/// The rank of `stage` in the column of `coordinate`.
int in_column(const MeshShape& mesh, MeshCoordinate coordinate, int stage) {
  coordinate.pipeline = stage;
  return rank_at(mesh, coordinate);
}

}  // namespace

std::vector<ChannelEndpoints> channel_endpoints(const MeshShape& mesh,
                                                const std::vector<int>& stage_of_chunk) {
  std::vector<ChannelEndpoints> endpoints;
  for (const Edge& edge : edges_of(stage_of_chunk)) {
    for (int column = 0; column < mesh.data * mesh.tensor; ++column) {
      const MeshCoordinate at = coordinate_of(mesh, column);  // stage 0 has the first ranks
      endpoints.push_back(
          {edge, in_column(mesh, at, edge.source), in_column(mesh, at, edge.destination)});
    }
  }
  return endpoints;
}

std::vector<int> channel_peers(const MeshShape& mesh, const std::vector<int>& stage_of_chunk,
                               int rank) {
  const MeshCoordinate at = coordinate_of(mesh, rank);
  std::set<int> peers;
  for (const Edge& edge : edges_of(stage_of_chunk)) {
    if (edge.source == at.pipeline) {
      peers.insert(in_column(mesh, at, edge.destination));
    }
    if (edge.destination == at.pipeline) {
      peers.insert(in_column(mesh, at, edge.source));
    }
  }
  return {peers.begin(), peers.end()};
}

}  // namespace stagecraft
