// The one row-wise pass that all operations with dropout are.
#pragma once

#include "kernels/ops/elementwise.h"

namespace stagecraft::cuda {

/// y[r] = residual[r] + dropout(x[r] + added[r % added_rows]); null parts count as zero.
struct DropoutRows {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const float* x = nullptr;
  const float* added = nullptr;
  std::int64_t added_rows = 1;
  const float* residual = nullptr;
  float* y = nullptr;
  Dropout dropout;
};
void dropout_rows(Stream& stream, std::string_view place, const DropoutRows& args);

}  // namespace stagecraft::cuda
