// The mesh: which rank sits where on the axes data, pipeline, tensor.
#pragma once

#include <cstdint>

namespace stagecraft {

/// The most ranks of a mesh, and so of each of its axes.
inline constexpr int kMostRanks = 4096;

/// Sizes of the mesh axes, each at least 1.
struct MeshShape {
  int pipeline = 1;
  int tensor = 1;
  int data = 1;
  int ranks() const { return pipeline * tensor * data; }
  friend bool operator==(const MeshShape&, const MeshShape&) = default;
};

struct MeshPlace {
  int pipeline = 0;  // the stage
  int tensor = 0;
  int data = 0;
  friend bool operator==(const MeshPlace&, const MeshPlace&) = default;
};

/// rank = (pipeline * data size + data) * tensor size + tensor: tensor groups, which talk most, are
/// neighbours (as in Megatron-LM, arXiv 2104.04473).
inline int rank_at(const MeshShape& shape, const MeshPlace& place) {
  return (place.pipeline * shape.data + place.data) * shape.tensor + place.tensor;
}

/// Which of the mesh's data x tensor pipelines a place is in.
inline int column_of(const MeshShape& shape, const MeshPlace& place) {
  return place.data * shape.tensor + place.tensor;
}

inline MeshPlace place_of(const MeshShape& shape, int rank) {
  return {.pipeline = rank / (shape.tensor * shape.data),
          .tensor = rank % shape.tensor,
          .data = rank / shape.tensor % shape.data};
}

}  // namespace stagecraft
