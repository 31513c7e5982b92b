// An instruction of a program with its location.
#pragma once

#include <functional>
#include <string>

#include "stages/program/instruction.h"

namespace stagecraft {

/// An instruction and its location in the program.
struct InstructionSite {
  int stage = 0;
  int position = 0;  // of its group on the stage's line
  Instruction instruction = {};
  friend bool operator==(const InstructionSite&, const InstructionSite&) = default;
};

/// Formats the location of an instruction.
using SiteFormatter = std::function<std::string(const InstructionSite&)>;
/// "stage 0, position 3".
std::string site_text(const InstructionSite& step);

}  // namespace stagecraft
