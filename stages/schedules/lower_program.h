// Lowers a program that a user gave to one that can run.
#pragma once

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"

namespace stagecraft {

/// Completes a user's program. Adds transfers if it has none. If it trains, replaces the reductions
/// at the ends of its lines by those of `shape`.
Program lower_program(Program program, const ReductionShape& shape);

}  // namespace stagecraft
