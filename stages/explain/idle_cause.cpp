#include "stages/explain/idle_cause.h"

namespace stagecraft {

std::string_view to_string(IdleCause cause) {
  constexpr std::string_view kNames[] = {"instruction", "credit",   "collective", "optimizer",
                                         "driver",      "overhead", "finished"};
  return kNames[static_cast<int>(cause)];
}

}  // namespace stagecraft
