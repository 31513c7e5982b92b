// Sums over rows: partial sums of fixed blocks of rows, added in a fixed order.
#pragma once

#include <array>
#include <string_view>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft::cuda {

/// out[c] (+)= sum over rows r of x[r][c].
struct RowSums {
  Tensor x;    // [rows, columns], float32 or bfloat16; may be a column range
  Tensor out;  // [columns], float32
  bool accumulate = false;
};
void sum_rows(Stream& stream, std::string_view where, const RowSums& args);

/// outputs[s][c] (+)= sum over blocks b of partial[b][s][c], for one or two s < sums.
struct PartialSums {
  const float* partial = nullptr;
  std::int64_t blocks = 0;
  std::int64_t sums = 1;
  std::int64_t columns = 0;
  std::array<float*, 2> outputs{};  // the second may be null
  bool accumulate = false;
};
void reduce_row_blocks(Stream& stream, std::string_view where, const PartialSums& args);

}  // namespace stagecraft::cuda
