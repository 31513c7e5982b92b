#include "launch/commands/config_reference_command.h"

#include "launch/artifacts/output.h"
#include "launch/report/config_text.h"

namespace stagecraft {

int config_reference() {
  print_output(configuration_page());
  return 0;
}

}  // namespace stagecraft
