#include "models/checkpoint/checkpoint_layout.h"

#include <array>

namespace stagecraft {

std::string_view kind_name(StateKind kind) {
  constexpr std::array<std::string_view, 3> kNames{"weight", "first_moment", "second_moment"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string piece_name(std::string_view parameter, StateKind kind, const Box& box) {
  std::string ranges;
  for (std::size_t d = 0; d < box.begin.size(); ++d) {
    ranges += fmt::format("{}{}:{}", d == 0 ? "" : ",", box.begin[d], box.end[d]);
  }
  return fmt::format("{}:{}[{}]", parameter, kind_name(kind), ranges);
}

std::vector<StatePiece> file_pieces(const std::vector<StatePiece>& pieces) {
  std::vector<StatePiece> all;
  for (const StatePiece& piece : pieces) {
    for (const Box& block : blocks_of(piece.box, kPieceElements)) {
      all.push_back({piece.parameter, piece.kind, block});
    }
  }
  return all;
}

SafetensorsHeader checkpoint_header(const std::vector<StatePiece>& pieces) {
  std::vector<NamedShape> tensors;
  tensors.reserve(pieces.size());
  for (const StatePiece& piece : pieces) {
    tensors.push_back({piece_name(piece.parameter.name, piece.kind, piece.box), piece.box.shape()});
  }
  return make_safetensors_header(tensors);
}

}  // namespace stagecraft
