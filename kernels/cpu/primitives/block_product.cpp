// Built with -ffp-contract=fast: here, and only here, a product and a sum written beside each other
// are meant to become one fused multiply-add.
#include "kernels/cpu/primitives/block_product.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "kernels/cpu/primitives/vector.h"

namespace stagecraft::cpu {
namespace {

// A tile of the result stays in registers over the whole depth: 32 registers hold 6 x 4 sums, 16
// hold 6 x 2, and both leave room for one row of B.
constexpr int kTileRows = 6;
constexpr int kTileVectors = kVectorLanes == 16 ? 4 : 2;

/// Rows `row` .. `row + Rows - 1`, lanes `lane` .. `lane + Vectors * kVectorLanes - 1`.
template <int Rows, int Vectors>
void tile(const BlockProduct& p, std::int64_t row, std::int64_t lane) {
  Vector sums[Rows][Vectors] = {};
  float* const c = p.c + row * p.c_row + lane;
  if (p.accumulate) {
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        sums[r][v] = load(c + r * p.c_row + v * kVectorLanes);
      }
    }
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + lane;
  for (std::int64_t i = 0; i < p.depth; ++i, a += p.a_column, b += p.b_row) {
    Vector right[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      right[v] = load(b + v * kVectorLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const float left = a[r * p.a_row];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        sums[r][v] += left * right[v];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      store(c + r * p.c_row + v * kVectorLanes, sums[r][v]);
    }
  }
}

using Tile = void (*)(const BlockProduct&, std::int64_t, std::int64_t);

template <int Vectors, std::size_t... Rows>
constexpr std::array<Tile, kTileRows> tiles_of(std::index_sequence<Rows...> /*rows*/) {
  return {&tile<static_cast<int>(Rows) + 1, Vectors>...};
}

template <std::size_t... Vectors>
constexpr std::array<std::array<Tile, kTileRows>, kTileVectors> all_tiles(
    std::index_sequence<Vectors...> /*vectors*/) {
  return {tiles_of<static_cast<int>(Vectors) + 1>(std::make_index_sequence<kTileRows>())...};
}

constexpr auto kTiles = all_tiles(std::make_index_sequence<kTileVectors>());

}  // namespace

void block_product(const BlockProduct& product) {
  constexpr std::int64_t kTileLanes = kTileVectors * kVectorLanes;
  for (std::int64_t lane = 0; lane < product.lanes; lane += kTileLanes) {
    const std::int64_t vectors = std::min(kTileLanes, product.lanes - lane) / kVectorLanes;
    for (std::int64_t row = 0; row < product.rows; row += kTileRows) {
      const std::int64_t rows = std::min<std::int64_t>(kTileRows, product.rows - row);
      kTiles[static_cast<std::size_t>(vectors - 1)][static_cast<std::size_t>(rows - 1)](product,
                                                                                        row, lane);
    }
  }
}

}  // namespace stagecraft::cpu
