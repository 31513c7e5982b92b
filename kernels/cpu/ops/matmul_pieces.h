// How a matrix product of the CPU is cut.
#pragma once

#include <cstdint>

namespace stagecraft::cpu {

/// How a product is cut: pieces of at most rows x columns of c, each over all of K.
struct MatmulPieces {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// A function of the shape alone, good for one to four threads. Sizes are at least 1.
MatmulPieces matmul_pieces(std::int64_t m, std::int64_t n, std::int64_t k);

}  // namespace stagecraft::cpu
