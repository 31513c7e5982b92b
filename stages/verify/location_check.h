// The part of verify that checks the locations of instructions.
#pragma once

#include "stages/program/program.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Checks sizes, groups, owners of chunks, and that every transfer joins two stages. The other
/// checks rely on this one.
Check check_locations(const Program& program, const DiagnosticWriter& diagnose);

}  // namespace stagecraft
