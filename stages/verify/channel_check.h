// The part of verify that compares both ends of every channel.
#pragma once

#include "stages/program/program.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Checks that both ends of every channel list its transfers in the same order. Requires
/// check_lines.
Check check_channels(const Program& program, const DiagnosticWriter& diagnose);

}  // namespace stagecraft
