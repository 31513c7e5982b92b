// The operations of CUDA.
#pragma once

namespace stagecraft {
struct OpTable;
}

namespace stagecraft::cuda {

/// Every entry is set.
const OpTable& op_table();

}  // namespace stagecraft::cuda
