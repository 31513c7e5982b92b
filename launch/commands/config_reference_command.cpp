#include "launch/commands/config_reference_command.h"

#include <fmt/format.h>

#include "launch/report/config_text.h"

namespace stagecraft {

int config_reference() {
  fmt::print("{}", configuration_page());
  return 0;
}

}  // namespace stagecraft
