#include "kernels/cuda/ops/op_table.h"

#include "kernels/ops/op_table.h"

namespace stagecraft::cuda {

// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names of functions and types
#define STAGECRAFT_DECLARE(name, Args) void name(Stream& stream, const Args& args);
STAGECRAFT_OPERATIONS(STAGECRAFT_DECLARE)
#undef STAGECRAFT_DECLARE

const OpTable& op_table() {
  static constexpr OpTable kTable = {.without_bfloat16 = {},
#define STAGECRAFT_ENTRY(name, Args) .name = name,
                                     STAGECRAFT_OPERATIONS(STAGECRAFT_ENTRY)
#undef STAGECRAFT_ENTRY
  };
  return kTable;
}
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace stagecraft::cuda
