// The part of verify that checks each stage's line by itself.
#pragma once

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Finds instructions that are missing, repeated or placed before their inputs, weight gradients
/// out of order, and a wrong tail. Requires check_locations.
Check check_lines(const Program& program, const ReductionShape& reductions,
                  const DiagnosticWriter& diagnose);

}  // namespace stagecraft
