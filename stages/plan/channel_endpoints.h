// The ranks at the two ends of each channel of a mesh.
#pragma once

#include <vector>

#include "stages/program/edge.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// The two ranks of a channel. Both are in the same mesh column.
struct ChannelEndpoints {
  Edge edge;
  int from = 0;
  int to = 0;
};

/// Every channel of the mesh with this placement of chunks, ordered by edge and column.
std::vector<ChannelEndpoints> channel_endpoints(const MeshShape& mesh,
                                                const std::vector<int>& stage_of_chunk);

/// The ranks at the other ends of the channels of `rank`, each once, in ascending order. These are
/// its pipeline neighbours: envelopes and credits travel between them.
std::vector<int> channel_peers(const MeshShape& mesh, const std::vector<int>& stage_of_chunk,
                               int rank);

}  // namespace stagecraft
