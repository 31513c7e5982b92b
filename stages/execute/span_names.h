// What instructions are called in a trace.
#pragma once

#include <string>

#include "kernels/base/span.h"
#include "stages/program/instruction.h"

namespace stagecraft {

/// Of an instruction's span: "F 3", "send act 3", and "F 3 chunk 2" where stages have several
/// chunks: the numbers behind the names, so that a viewer colours by kind.
std::string span_name(const Instruction& instruction, bool with_chunk);
Lane lane_of(Op op);

}  // namespace stagecraft
