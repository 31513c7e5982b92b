// Softmax along rows of many columns.
#pragma once

#include <cstdint>

namespace stagecraft::cpu {

/// max row[0 .. count - 1]; -infinity for none.
float row_maximum(const float* row, std::int64_t count);

/// The sum of exp(row[i] - maximum), `maximum` being at least every row[i]; the order of the sum
/// depends on `count` alone.
float row_sum_of_exp(const float* row, std::int64_t count, float maximum);

/// row[i] becomes factor * exp(row[i] - maximum).
void row_scaled_exp(float* row, std::int64_t count, float maximum, float factor);

}  // namespace stagecraft::cpu
