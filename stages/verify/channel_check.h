// The part of verify that compares both ends of every channel.
#pragma once

#include "stages/program/program.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Both ends of every channel name its transfers in one order. Requires check_lines.
Check check_channels(const Program& program, const DiagnosticWriter& diagnose);

}  // namespace stagecraft
