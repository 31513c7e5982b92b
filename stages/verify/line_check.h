// The part of verify that looks at each line by itself.
#pragma once

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/verify/diagnostic.h"

namespace stagecraft {

/// Form and values of each line by itself: what stands twice or is missing, what stands before what
/// it needs, weight gradients out of order, the tail. Requires check_locations.
Check check_lines(const Program& program, const ReductionShape& reductions,
                  const DiagnosticWriter& diagnose);

}  // namespace stagecraft
