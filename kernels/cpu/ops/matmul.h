// Matrix products over oneDNN's sgemm.
#pragma once

#include "kernels/ops/matmul.h"

namespace stagecraft::cpu {

void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft::cpu
