#include <catch2/catch.hpp>

#include "kernels/cpu/ops/matmul_pieces.h"

namespace stagecraft::cpu {
namespace {

std::int64_t count(std::int64_t m, std::int64_t n, std::int64_t k) {
  const MatmulPieces pieces = matmul_pieces(m, n, k);
  return ((m + pieces.rows - 1) / pieces.rows) * ((n + pieces.columns - 1) / pieces.columns);
}

}  // namespace

TEST_CASE("products worth a second thread make at least four pieces") {
  CHECK(count(256, 256, 1024) >= 4);
  CHECK(count(1024, 768, 768) >= 4);
  CHECK(count(768, 768, 1024) >= 4);
  CHECK(count(1024, 50304, 768) >= 4);
  CHECK(count(50304, 768, 1024) >= 4);
  CHECK(count(16, 3072, 768) >= 4);
  CHECK(count(3072, 16, 768) >= 4);
}

TEST_CASE("tiny products are one piece, empty ones have a size") {
  CHECK(count(1, 1, 1) == 1);
  CHECK(count(64, 64, 64) == 1);
  CHECK(matmul_pieces(0, 0, 0).rows == 1);
  CHECK(matmul_pieces(0, 0, 0).columns == 1);
}

TEST_CASE("pieces never exceed the product") {
  for (const std::int64_t m : {1, 100, 513, 5000}) {
    for (const std::int64_t n : {1, 100, 771, 5000}) {
      const MatmulPieces pieces = matmul_pieces(m, n, 4096);
      CHECK((pieces.rows >= 1 && pieces.rows <= m));
      CHECK((pieces.columns >= 1 && pieces.columns <= n));
    }
  }
}

}  // namespace stagecraft::cpu
