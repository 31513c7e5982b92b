// The part of verify that looks at where instructions stand.
#pragma once

#include "stages/program/program.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Sizes, groups, owners, and transfers that join no two stages: what everything else relies on.
Check check_locations(const Program& program, const DiagnosticWriter& diagnose);

}  // namespace stagecraft
