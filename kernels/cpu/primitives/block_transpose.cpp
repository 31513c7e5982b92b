#include <array>
#include <utility>

#include "kernels/cpu/primitives/block_transpose.h"
#include "kernels/cpu/primitives/vector.h"

namespace stagecraft::cpu {
namespace {

constexpr int kSide = static_cast<int>(kVectorLanes);
using Tile = std::array<Vector, kSide>;

/// Within a tile cut into squares of `Half` x `Half`, those right of and below the diagonal of each
/// group of four change places; with Half = 1, 2, 4, ... that is a transposition.
template <int Half, int... Lane>
void swap_squares(Vector& upper, Vector& lower, std::integer_sequence<int, Lane...> /*lanes*/) {
  const Vector above = upper;
  upper =
      __builtin_shufflevector(above, lower, ((Lane & Half) != 0 ? kSide + Lane - Half : Lane)...);
  lower =
      __builtin_shufflevector(above, lower, ((Lane & Half) != 0 ? kSide + Lane : Lane + Half)...);
}

template <int Half>
void swap_squares(Tile& tile) {
  if constexpr (Half < kSide) {
#pragma GCC unroll 16
    for (int row = 0; row < kSide; ++row) {
      if ((row & Half) == 0) {
        swap_squares<Half>(tile[row], tile[row + Half], std::make_integer_sequence<int, kSide>());
      }
    }
    swap_squares<2 * Half>(tile);
  }
}

void transpose_tile(const float* from, std::int64_t from_row, float* to, std::int64_t to_row) {
  Tile tile;
#pragma GCC unroll 16
  for (int row = 0; row < kSide; ++row) {
    tile[row] = load(from + row * from_row);
  }
  swap_squares<1>(tile);
#pragma GCC unroll 16
  for (int row = 0; row < kSide; ++row) {
    store(to + row * to_row, tile[row]);
  }
}

}  // namespace

void block_transpose(const float* from, std::int64_t from_row, std::int64_t rows,
                     std::int64_t columns, float* to, std::int64_t to_row) {
  const std::int64_t whole_columns = columns / kSide * kSide;
  const std::int64_t whole_rows = rows / kSide * kSide;
  for (std::int64_t row = 0; row < whole_rows; row += kSide) {
    for (std::int64_t column = 0; column < whole_columns; column += kSide) {
      transpose_tile(from + row * from_row + column, from_row, to + column * to_row + row, to_row);
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = row < whole_rows ? whole_columns : 0; column < columns; ++column) {
      to[column * to_row + row] = from[row * from_row + column];
    }
  }
}

}  // namespace stagecraft::cpu
