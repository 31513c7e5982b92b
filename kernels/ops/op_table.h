// What a backend provides: one function per operation, after the checks of kernels/ops/*.cpp. A
// stream carries its backend's table, so that no caller knows which backend it talks to.
#pragma once

#include <string_view>

#include "kernels/ops/operations.h"

namespace stagecraft {

template <typename Args>
using OpFunction = void (*)(Stream&, const Args&);

struct OpTable {
  /// Why the device does not compute in bfloat16; empty where it does.
  std::string_view without_bfloat16;
#define STAGECRAFT_ENTRY(name, Args) OpFunction<Args> name;
  STAGECRAFT_OPERATIONS(STAGECRAFT_ENTRY)
#undef STAGECRAFT_ENTRY
};

}  // namespace stagecraft
