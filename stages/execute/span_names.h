// The names of instructions in a trace.
#pragma once

#include <string>

#include "stages/program/instruction.h"

namespace stagecraft {

/// The name of an instruction's span: "F 3", "send act 3", or "F 3 chunk 2" if stages have several
/// chunks. Numbers come last, so that a viewer colours by kind.
std::string span_name(const Instruction& instruction, bool with_chunk);

}  // namespace stagecraft
