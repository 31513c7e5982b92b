// Lowers a program that a user gave to one that can run.
#pragma once

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"

namespace stagecraft {

/// Completes a user's program. Adds transfers if it has none. If it trains, adds the reductions of
/// `shape` and U; those that the program has are replaced. Only D of a line that has all of `shape`
/// stay where they are, in a program with transfers.
Program lower_program(Program program, const ReductionShape& shape);

}  // namespace stagecraft
