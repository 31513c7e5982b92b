#include "models/parameters/state_hash.h"

#include <bit>
#include <string>
#include <vector>

#include "kernels/base/element_hash.h"
#include "kernels/base/error.h"
#include "models/parameters/checksum.h"

namespace stagecraft {
namespace {

/// The box as boxes that have more than one index in the last two dimensions alone.
std::vector<Box> matrices_of(const Box& box) {
  const Shape sizes = box.shape();
  const std::int64_t columns = sizes.back();
  const std::int64_t rows = sizes.size() < 2 ? 1 : *(sizes.end() - 2);
  if (elements_of(sizes) == rows * columns) {
    return {box};
  }
  std::vector<Box> matrices;
  for (const Box& slice : blocks_of(box, 0)) {
    const std::vector<Box> inside = matrices_of(slice);
    matrices.insert(matrices.end(), inside.begin(), inside.end());
  }
  return matrices;
}

}  // namespace

std::uint64_t state_key(std::string_view parameter, StateKind kind) {
  std::string text(parameter);
  text += '\0';
  text += static_cast<char>('0' + static_cast<int>(kind));
  return checksum(std::as_bytes(std::span(text)));
}

std::uint64_t state_hash_of(const StatePiece& piece, std::span<const float> values) {
  require(static_cast<std::int64_t>(values.size()) == elements_of(piece.box.shape()),
          "state_hash_of", "{} elements of {} for a box of {}", values.size(), piece.parameter.name,
          piece.box.shape());
  const std::uint64_t key = state_key(piece.parameter.name, piece.kind);
  std::uint64_t hash = 0;
  auto value = values.begin();
  for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
    for (std::int64_t i = run.begin; i < run.begin + run.count; ++i) {
      hash +=
          element_hash(key, static_cast<std::uint64_t>(i), std::bit_cast<std::uint32_t>(*value));
      ++value;
    }
  }
  return hash;
}

void add_hashed_box(TensorHashes& call, const Parameter& parameter, StateKind kind,
                    const ShardBox& box, std::int64_t hash) {
  const Tensor& tensor = state_of(parameter, kind);
  const Tensor flat = tensor.view({tensor.elements()});
  const std::vector<Box> global = matrices_of(box.global);
  const std::vector<Box> local = matrices_of(box.local);
  for (std::size_t i = 0; i < global.size(); ++i) {
    const Shape sizes = local[i].shape();
    const ElementRun hull = hull_of(local[i], tensor.shape());
    call.x.push_back(flat.rows(hull.begin, hull.begin + hull.count));
    call.rows.push_back({.hash = hash,
                         .key = state_key(parameter.spec.name, kind),
                         .rows = elements_of(sizes) / sizes.back(),
                         .columns = sizes.back(),
                         .stride = tensor.shape().back(),
                         .first = hull_of(global[i], parameter.spec.shape).begin,
                         .whole_stride = parameter.spec.shape.back()});
  }
}

}  // namespace stagecraft
