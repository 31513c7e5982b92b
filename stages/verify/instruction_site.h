// An instruction of a program with its place.
#pragma once

#include <functional>
#include <string>

#include "stages/program/instruction.h"

namespace stagecraft {

/// An instruction of a program and where it stands.
struct Step {
  int stage = 0;
  int position = 0;  // of its group on the stage's line
  Instruction instruction = {};
  friend bool operator==(const Step&, const Step&) = default;
};

/// Where a step stands, in words.
using PlaceWords = std::function<std::string(const Step&)>;
/// "stage 0, position 3".
std::string place_words(const Step& step);

}  // namespace stagecraft
