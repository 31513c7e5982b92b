// Products of bfloat16 factors through oneDNN's matmul primitive, which adds in float32.
#pragma once

#include <string_view>

#include "kernels/ops/matmul.h"

namespace stagecraft::cpu {

/// Why bfloat16 is not computed in: the processor does not multiply it. Empty where it does.
std::string_view without_bfloat16();

/// Factors in bfloat16, without bias and GELU.
void multiply_bfloat16(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cpu
