// The operations of CUDA.
#pragma once

#include "kernels/ops/op_table.h"

namespace stagecraft::cuda {

/// Every entry is set.
const OpTable& op_table();

}  // namespace stagecraft::cuda
