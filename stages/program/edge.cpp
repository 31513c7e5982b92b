#include "stages/program/edge.h"

#include <fmt/core.h>

#include <set>

#include "kernels/base/error.h"

namespace stagecraft {

Edge edge_of(const Instruction& transfer, const std::vector<int>& stage_of_chunk) {
  const int there = other_end(transfer).chunk;
  if (there < 0 || there >= static_cast<int>(stage_of_chunk.size())) [[unlikely]] {
    throw Error("program", fmt::format("{} has no other end: there is no chunk {}",
                                       to_string(transfer), there));
  }
  const int mine = stage_of_chunk.at(static_cast<std::size_t>(transfer.chunk));
  const int other = stage_of_chunk[static_cast<std::size_t>(there)];
  return {.source = is_send(transfer.op) ? mine : other,
          .destination = is_send(transfer.op) ? other : mine,
          .payload = *payload_of(transfer.op)};
}

std::vector<Edge> edges_of(const std::vector<int>& stage_of_chunk) {
  std::set<Edge> edges;
  for (std::size_t chunk = 1; chunk < stage_of_chunk.size(); ++chunk) {
    const int before = stage_of_chunk[chunk - 1];
    const int here = stage_of_chunk[chunk];
    if (before != here) {
      edges.insert({before, here, Payload::activation});
      edges.insert({here, before, Payload::gradient});
    }
  }
  return {edges.begin(), edges.end()};
}

std::string to_string(const Edge& edge) {
  return fmt::format("{} {}>{}", edge.payload == Payload::activation ? "act" : "grad", edge.source,
                     edge.destination);
}

}  // namespace stagecraft
