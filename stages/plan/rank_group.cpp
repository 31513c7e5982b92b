#include "stages/plan/rank_group.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "stages/plan/channel_endpoints.h"
#include "stages/program/program.h"

namespace stagecraft {
namespace {

/// The ranks of the mesh along `axis` through `coordinate`.
std::vector<int> ranks_along(const MeshShape& mesh, MeshCoordinate coordinate,
                             int MeshCoordinate::*axis, int size) {
  std::vector<int> ranks;
  for (coordinate.*axis = 0; coordinate.*axis < size; ++(coordinate.*axis)) {
    ranks.push_back(rank_at(mesh, coordinate));
  }
  return ranks;
}

/// Channels whose lower stage is even come first: they share no stage with each other unless the
/// chunks are in a loop, so all pairs of neighbours meet at once instead of one after the other.
void add_channels(std::vector<RankGroup>& groups, const MeshShape& mesh,
                  const std::vector<int>& stage_of_chunk) {
  std::vector<ChannelEndpoints> channels = channel_endpoints(mesh, stage_of_chunk);
  std::stable_partition(channels.begin(), channels.end(), [](const ChannelEndpoints& channel) {
    return std::min(channel.edge.source, channel.edge.destination) % 2 == 0;
  });
  for (const ChannelEndpoints& channel : channels) {
    groups.push_back(
        {.kind = GroupKind::channel, .members = {channel.from, channel.to}, .edge = channel.edge});
  }
}

/// One group for each line of the mesh along `axis`.
void add_axis(std::vector<RankGroup>& groups, const MeshShape& mesh, GroupKind kind,
              int MeshCoordinate::*axis, int size) {
  for (int rank = 0; size > 1 && rank < mesh.ranks(); ++rank) {
    const MeshCoordinate coordinate = coordinate_of(mesh, rank);
    if (coordinate.*axis == 0) {
      groups.push_back({.kind = kind, .members = ranks_along(mesh, coordinate, axis, size)});
    }
  }
}

void add_tied(std::vector<RankGroup>& groups, const MeshShape& mesh, const ModelEnds& ends) {
  const auto [low, high] = std::minmax(ends.first, ends.last);
  for (int column = 0; column < mesh.data * mesh.tensor; ++column) {
    MeshCoordinate coordinate = coordinate_of(mesh, column);  // stage 0 has the first ranks
    std::vector<int> members;
    for (const int stage : {low, high}) {
      coordinate.pipeline = stage;
      members.push_back(rank_at(mesh, coordinate));
    }
    groups.push_back({.kind = GroupKind::tied, .members = std::move(members)});
  }
}

}  // namespace

std::string to_string(const RankGroup& group) {
  constexpr std::array<const char*, 4> kNames = {"channel", "tensor", "data", "tied"};
  const std::string name =
      group.kind == GroupKind::channel
          ? fmt::format("group of channel {}", to_string(group.edge))
          : fmt::format("{} group", kNames.at(static_cast<std::size_t>(group.kind)));
  return fmt::format("the {} of ranks {}", name, group.members);
}

std::vector<RankGroup> rank_groups(const MeshShape& mesh, const std::vector<int>& stage_of_chunk,
                                   bool tied) {
  std::vector<RankGroup> groups;
  add_channels(groups, mesh, stage_of_chunk);
  add_axis(groups, mesh, GroupKind::tensor, &MeshCoordinate::tensor, mesh.tensor);
  add_axis(groups, mesh, GroupKind::data, &MeshCoordinate::data, mesh.data);
  const ModelEnds ends = model_ends(stage_of_chunk);
  if (tied && ends.on_two_stages()) {
    add_tied(groups, mesh, ends);
  }
  return groups;
}

std::vector<std::vector<int>> group_orders(const std::vector<RankGroup>& groups, int ranks) {
  std::vector<std::vector<int>> orders(static_cast<std::size_t>(ranks));
  for (std::size_t position = 0; position < groups.size(); ++position) {
    for (const int member : groups[position].members) {
      orders[static_cast<std::size_t>(member)].push_back(static_cast<int>(position));
    }
  }
  return orders;
}

std::vector<int> groups_of_rank(const std::vector<RankGroup>& groups, int rank) {
  std::vector<int> positions;
  for (std::size_t position = 0; position < groups.size(); ++position) {
    const std::vector<int>& members = groups[position].members;
    if (std::find(members.begin(), members.end(), rank) != members.end()) {
      positions.push_back(static_cast<int>(position));
    }
  }
  return positions;
}

}  // namespace stagecraft
