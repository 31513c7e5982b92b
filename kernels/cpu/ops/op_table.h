// The operations of the CPU.
#pragma once

namespace stagecraft {
struct OpTable;
}

namespace stagecraft::cpu {

/// Every entry is set. All operations take bfloat16 as well (mixed_precision.h).
const OpTable& op_table();

}  // namespace stagecraft::cpu
