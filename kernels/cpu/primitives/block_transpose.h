// Transposes of blocks small enough for the first-level cache, on one thread.
#pragma once

#include <cstdint>

namespace stagecraft::cpu {

/// to[column * to_row + row] = from[row * from_row + column].
void block_transpose(const float* from, std::int64_t from_row, std::int64_t rows,
                     std::int64_t columns, float* to, std::int64_t to_row);

}  // namespace stagecraft::cpu
