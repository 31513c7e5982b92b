// The one row-wise pass that all operations with dropout are.
#pragma once

#include "kernels/ops/elementwise.h"

namespace stagecraft::cuda {

/// y[r] = residual[r] + dropout(x[r] + added[r % added_rows]), or added[added_at[r]] where that is
/// given; all but `added_at` of one dtype. `added` and `residual` may be empty and count as zero
/// then. x, residual and y may be column ranges.
struct DropoutRows {
  Tensor x;
  Tensor added = {};
  std::int64_t added_rows = 1;
  Tensor added_at = {};  // [rows] int32 or empty
  Tensor residual = {};
  Tensor y;
  Dropout dropout;
};
void dropout_rows(Stream& stream, std::string_view where, const DropoutRows& args);

}  // namespace stagecraft::cuda
