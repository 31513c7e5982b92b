// The plan as JSON for other programs (docs/prediction.md).
#pragma once

#include <string>

#include "launch/setup/resolve.h"

namespace stagecraft {

std::string plan_json(const ResolvedRun& run);

}  // namespace stagecraft
