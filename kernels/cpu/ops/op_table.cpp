#include "kernels/cpu/ops/op_table.h"

#include "kernels/cpu/ops/bfloat16_product.h"
#include "kernels/cpu/ops/mixed_precision.h"
#include "kernels/ops/op_table.h"

namespace stagecraft::cpu {

// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names of functions and types
#define STAGECRAFT_DECLARE(name, Args) void name(Stream& stream, const Args& args);
STAGECRAFT_OPERATIONS(STAGECRAFT_DECLARE)
#undef STAGECRAFT_DECLARE

const OpTable& op_table() {
  static const OpTable kTable = {.without_bfloat16 = without_bfloat16(),
#define STAGECRAFT_ENTRY(name, Args) .name = kTakesBfloat16<Args> ? name : in_float32<Args, name>,
                                 STAGECRAFT_OPERATIONS(STAGECRAFT_ENTRY)
#undef STAGECRAFT_ENTRY
  };
  return kTable;
}
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace stagecraft::cpu
