// The operations of the CPU.
#pragma once

#include "kernels/ops/op_table.h"

namespace stagecraft::cpu {

/// Every entry is set.
const OpTable& op_table();

}  // namespace stagecraft::cpu
