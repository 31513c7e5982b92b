// How the pieces of a checkpoint lie in a safetensors file: each is a tensor, whose name says what
// it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint/safetensors.h"
#include "models/parameters/parameter_state.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// "weight", "first_moment" or "second_moment".
std::string_view kind_name(StateKind kind);

/// "wte.weight:first_moment[0:512,0:768]".
std::string piece_name(std::string_view parameter, StateKind kind, const Box& box);

/// The pieces of a file that is to hold these boxes: each cut into blocks of at most
/// kPieceElements, where it can be, so that a reader of another split reads little beside what it
/// needs. The elements of the blocks follow each other as those of the box.
std::vector<StatePiece> file_pieces(const std::vector<StatePiece>& pieces);
inline constexpr std::int64_t kPieceElements = std::int64_t{2} << 20;  // 8 MiB

/// The header of a file that holds these pieces in this order.
SafetensorsHeader checkpoint_header(const std::vector<StatePiece>& pieces);

}  // namespace stagecraft
