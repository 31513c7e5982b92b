// From a program as a person gave it to one that runs.
#pragma once

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"

namespace stagecraft {

/// A program as a person gave it, made whole: transfers if it has none, and, if it trains, the
/// reductions of `shape` in place of those that stand at the ends of its lines.
Program lower_program(Program program, const ReductionShape& shape);

}  // namespace stagecraft
