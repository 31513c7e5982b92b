// Into which pieces a product is cut.
#include <algorithm>
#include <array>

#include "kernels/cpu/ops/matmul_pieces.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {
namespace {

// A piece packs its rows of a once per piece of columns and its columns of b once per piece of
// rows, so that a product costs 1 + kPackRows / rows + kPackColumns / columns of its flops; handing
// out a piece costs as much as kPieceFlops. Fitted to GPT-2 124M's products on two cores.
constexpr double kPackRows = 12;
constexpr double kPackColumns = 20;
constexpr double kPieceFlops = 3e5;
constexpr double kOnePieceFlops = 4e6;  // below, waking a second thread costs more than it saves
constexpr std::array<std::int64_t, 7> kRowSizes = {64, 128, 256, 384, 512, 768, 1024};
constexpr std::array<std::int64_t, 5> kColumnSizes = {96, 192, 384, 768, 1536};
constexpr std::int64_t kGrain = 16;  // one vector register of float32

/// `size` in as many equal parts as parts of `wanted` would be.
std::int64_t even_part(std::int64_t size, std::int64_t wanted) {
  const std::int64_t part = parts_of(size, parts_of(size, wanted));
  return std::min(size, parts_of(part, kGrain) * kGrain);
}

/// How much longer `pieces` equal pieces take than a perfect division, weighed over 2 to 4 threads.
double imbalance(std::int64_t pieces) {
  const auto over = [&](std::int64_t threads) {
    return static_cast<double>(parts_of(pieces, threads) * threads) / static_cast<double>(pieces);
  };
  return 0.45 * over(2) + 0.1 * over(3) + 0.45 * over(4);
}

double relative_cost(std::int64_t m, std::int64_t n, std::int64_t k, const MatmulPieces& pieces) {
  const auto rows = static_cast<double>(pieces.rows);
  const auto columns = static_cast<double>(pieces.columns);
  const double flops = 2 * rows * columns * static_cast<double>(k);
  return imbalance(parts_of(m, pieces.rows) * parts_of(n, pieces.columns)) *
         (1 + kPackRows / rows + kPackColumns / columns + kPieceFlops / flops);
}

}  // namespace

MatmulPieces matmul_pieces(std::int64_t m, std::int64_t n, std::int64_t k) {
  const MatmulPieces whole = {std::max<std::int64_t>(m, 1), std::max<std::int64_t>(n, 1)};
  const double flops = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  if (flops < kOnePieceFlops) {
    return whole;
  }
  MatmulPieces best = whole;
  double best_cost = relative_cost(m, n, k, whole);
  for (const std::int64_t rows : kRowSizes) {
    for (const std::int64_t columns : kColumnSizes) {
      const MatmulPieces pieces = {even_part(m, rows), even_part(n, columns)};
      const double cost = relative_cost(m, n, k, pieces);
      if (cost < best_cost) {
        best = pieces;
        best_cost = cost;
      }
    }
  }
  return best;
}

}  // namespace stagecraft::cpu
