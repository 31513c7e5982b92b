// The parts of verify that look at a program as it is written, before anything runs.
#pragma once

#include "stages/objection.h"
#include "stages/program.h"

namespace stagecraft {

/// Sizes, groups, owners, and transfers that join no two stages: what everything else relies on.
Check check_places(const Program& program, const Objector& object);

/// Form and values of each line by itself: what stands twice or is missing, what stands before what
/// it needs, weight gradients out of order, the tail. Requires check_places.
Check check_lines(const Program& program, const ReductionShape& reductions, const Objector& object);

/// Both ends of every channel name its transfers in one order. Requires check_lines.
Check check_channels(const Program& program, const Objector& object);

/// Ends in the worst case. Requires check_lines.
Check check_waits(const Program& program, const Objector& object);

}  // namespace stagecraft
