// The rows of each token together.
#pragma once

#include "kernels/stream.h"
#include "kernels/tensor.h"

namespace stagecraft::cuda {

/// Rows by their token: those of one stand together, in ascending order. Which token follows which
/// is no promise. Rows whose token a table does not hold are left out.
struct TokenGroups {
  /// Of `tokens` [rows] int32, with a table of the `held` tokens from `first_token` on.
  TokenGroups(Stream& stream, const Tensor& tokens, std::int64_t first_token, std::int64_t held);

  Tensor rows;    // [rows] int32
  Tensor tokens;  // [rows] int32, from the first that is held
  Tensor count;   // [1] int32, how many of them there are
};

}  // namespace stagecraft::cuda
