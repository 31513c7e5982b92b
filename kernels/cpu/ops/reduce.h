// Sums over whole tensors.
#pragma once

#include "kernels/ops/reduce.h"

namespace stagecraft::cpu {

void sums_of_squares(Stream& stream, const SumsOfSquares& args);

}  // namespace stagecraft::cpu
