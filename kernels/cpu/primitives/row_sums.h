// Sums over rows: partial sums of fixed blocks of rows, added in ascending order.
#pragma once

#include <algorithm>

#include "kernels/core/tensor.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {

inline constexpr std::int64_t kSumRows = 64;

/// Partial sums [blocks, columns] of `rows` rows: add_block(begin, end, sums) adds rows begin ..
/// end-1 to `sums`, which begins as zero.
template <typename F>
Tensor sum_row_blocks(Stream& stream, std::int64_t rows, std::int64_t columns, F&& add_block) {
  Tensor partial(stream.memory(), {(rows + kSumRows - 1) / kSumRows, columns}, DType::float32,
                 MemoryLabel::workspace);
  auto* sums = partial.data<float>();
  for_each_range(stream, rows, kSumRows, [&](std::int64_t begin, std::int64_t end) {
    float* block = sums + begin / kSumRows * columns;
    std::fill_n(block, columns, 0.0F);
    add_block(begin, end, block);
  });
  return partial;
}

/// out[c] (+)= sum over the blocks of partial[block][first_column + c], for c < columns.
void reduce_row_blocks(Stream& stream, const Tensor& partial, std::int64_t first_column,
                       std::int64_t columns, float* out, bool accumulate);

}  // namespace stagecraft::cpu
