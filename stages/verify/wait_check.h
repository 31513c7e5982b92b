// The part of verify that proves that the program ends.
#pragma once

#include "stages/program/program.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Checks that the program ends in the worst case. Requires check_lines.
Check check_waits(const Program& program, const DiagnosticWriter& diagnose);

}  // namespace stagecraft
