// Sums over whole tensors.
#pragma once

#include "kernels/ops/reduce.h"

namespace stagecraft::cuda {

void sum_of_squares(Stream& stream, const SumOfSquares& args);

}  // namespace stagecraft::cuda
