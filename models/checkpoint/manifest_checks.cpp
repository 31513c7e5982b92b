#include "models/checkpoint/manifest_checks.h"

#include <algorithm>
#include <set>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_layout.h"

namespace stagecraft {
namespace {

/// A state of one tensor, for errors.
struct Place {
  const std::string& file;
  const CheckpointTensor& tensor;
  StateKind kind;

  std::string piece(const CheckpointPiece& each) const {
    return piece_name(tensor.name, kind, each.box);
  }
};

void check_files(const std::string& file, const std::vector<CheckpointFile>& files) {
  std::set<std::string> names{kManifestName};
  for (const CheckpointFile& each : files) {
    require(names.insert(each.name).second, file, "the file \"{}\" occurs twice", each.name);
    const bool plain = !each.name.empty() && each.name != "." && each.name != ".." &&
                       each.name.find('/') == std::string::npos;
    require(plain, file, "\"{}\" is no name of a file in the folder", each.name);
  }
}

bool is_inside(const Box& box, const Shape& shape) {
  bool inside = box.begin.size() == shape.size() && box.end.size() == shape.size();
  for (std::size_t d = 0; inside && d < shape.size(); ++d) {
    inside = box.begin[d] < box.end[d] && box.end[d] <= shape[d];
  }
  return inside;
}

bool overlap(const Box& a, const Box& b) {
  for (std::size_t d = 0; d < a.begin.size(); ++d) {
    if (std::max(a.begin[d], b.begin[d]) >= std::min(a.end[d], b.end[d])) {
      return false;
    }
  }
  return true;
}

std::int64_t first_begin(const CheckpointPiece& piece) {
  return piece.box.begin.empty() ? 0 : piece.box.begin.front();
}

std::int64_t first_end(const CheckpointPiece& piece) {
  return piece.box.end.empty() ? 1 : piece.box.end.front();
}

/// Compares each piece with those behind it that begin before its end in the first dimension.
void check_disjoint(const Place& place, std::vector<CheckpointPiece> pieces) {
  std::ranges::sort(pieces, {}, first_begin);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (std::size_t j = i + 1; j < pieces.size() && first_begin(pieces[j]) < first_end(pieces[i]);
         ++j) {
      require(!overlap(pieces[i].box, pieces[j].box), place.file, "{} and {} overlap",
              place.piece(pieces[i]), place.piece(pieces[j]));
    }
  }
}

void check_state(const Place& place, std::size_t files) {
  const std::vector<CheckpointPiece>& pieces = place.tensor.at(place.kind).pieces;
  for (const CheckpointPiece& piece : pieces) {
    require(static_cast<std::size_t>(piece.file) < files, place.file,
            "{} is in file {}, but there are {} files", place.piece(piece), piece.file, files);
    require(is_inside(piece.box, place.tensor.shape), place.file, "{} is no part of the tensor {}",
            place.piece(piece), place.tensor.shape);
  }
  check_disjoint(place, pieces);
  std::int64_t covered = 0;
  for (const CheckpointPiece& piece : pieces) {
    covered += elements_of(piece.box.shape());
  }
  const std::int64_t elements = elements_of(place.tensor.shape);
  require(covered == elements, place.file,
          "the pieces of tensor {}, {}, have {} of its {} elements", place.tensor.name,
          kind_name(place.kind), covered, elements);
}

void check_shape(const std::string& file, const CheckpointTensor& tensor) {
  std::int64_t bytes = size_of(DType::float32);
  for (const std::int64_t size : tensor.shape) {
    require(!__builtin_mul_overflow(bytes, size, &bytes), file, "tensor {} is too large: {}",
            tensor.name, tensor.shape);
  }
}

}  // namespace

void check_manifest(const std::string& file, const CheckpointManifest& manifest) {
  check_files(file, manifest.files);
  std::set<std::string> names;
  for (const CheckpointTensor& tensor : manifest.tensors) {
    require(names.insert(tensor.name).second, file, "tensor {} occurs twice", tensor.name);
    check_shape(file, tensor);
    for (const StateKind kind : kStateKinds) {
      check_state({file, tensor, kind}, manifest.files.size());
    }
  }
}

}  // namespace stagecraft
