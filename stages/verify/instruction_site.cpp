#include "stages/verify/instruction_site.h"

#include <fmt/core.h>

namespace stagecraft {

std::string site_text(const InstructionSite& step) {
  return fmt::format("stage {}, position {}", step.stage, step.position);
}

}  // namespace stagecraft
