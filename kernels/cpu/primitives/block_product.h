// Products of blocks small enough for the first-level cache, on one thread. The right factor and
// the result are rows of whole vectors; the left factor is read one number at a time under any
// strides, so that neither a transposed nor a strided block has to be packed.
#pragma once

#include <cstdint>

namespace stagecraft::cpu {

/// C[row][lane] = (C[row][lane] if accumulate) + sum over i < depth of A(row, i) * B[i][lane], the
/// sum taken in ascending i.
struct BlockProduct {
  std::int64_t rows = 0;
  std::int64_t lanes = 0;  // a multiple of kVectorLanes (vector.h)
  std::int64_t depth = 0;
  const float* a = nullptr;  // A(row, i) = a[row * a_row + i * a_column]
  std::int64_t a_row = 0;
  std::int64_t a_column = 0;
  const float* b = nullptr;  // [depth] rows, b_row floats apart
  std::int64_t b_row = 0;
  float* c = nullptr;  // [rows] rows, c_row floats apart; neither a nor b
  std::int64_t c_row = 0;
  bool accumulate = false;
};
void block_product(const BlockProduct& product);

}  // namespace stagecraft::cpu
