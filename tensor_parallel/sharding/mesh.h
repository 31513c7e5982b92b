// The mesh: ranks and their coordinates on the axes pipeline, data and tensor.
#pragma once

#include <cstdint>

namespace stagecraft {

/// The maximum number of ranks of a mesh, and so the maximum size of each axis.
inline constexpr int kMaxRanks = 4096;

/// Sizes of the mesh axes, each at least 1.
struct MeshShape {
  int pipeline = 1;
  int tensor = 1;
  int data = 1;
  int ranks() const { return pipeline * tensor * data; }
  friend bool operator==(const MeshShape&, const MeshShape&) = default;
};

struct MeshCoordinate {
  int pipeline = 0;  // the stage
  int tensor = 0;
  int data = 0;
  friend bool operator==(const MeshCoordinate&, const MeshCoordinate&) = default;
};

/// rank = (pipeline * data size + data) * tensor size + tensor: the ranks of a tensor group, which
/// communicate most, are neighbours (as in Megatron-LM, arXiv 2104.04473).
inline int rank_at(const MeshShape& shape, const MeshCoordinate& coordinate) {
  return (coordinate.pipeline * shape.data + coordinate.data) * shape.tensor + coordinate.tensor;
}

/// The index of the coordinate's pipeline among the mesh's data x tensor pipelines.
inline int column_of(const MeshShape& shape, const MeshCoordinate& coordinate) {
  return coordinate.data * shape.tensor + coordinate.tensor;
}

inline MeshCoordinate coordinate_of(const MeshShape& shape, int rank) {
  return {.pipeline = rank / (shape.tensor * shape.data),
          .tensor = rank % shape.tensor,
          .data = rank / shape.tensor % shape.data};
}

}  // namespace stagecraft
