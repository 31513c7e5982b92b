// A program as a picture in text, in the units of its formulas: F takes 1, I and W 1 each, B 2,
// transfers nothing.
#pragma once

#include <string>

#include "stages/program.h"

namespace stagecraft {

struct Picture {
  std::string text;   // a row a stage, a column a unit of time
  double bubble = 0;  // idle time over makespan, mean over stages
  int makespan = 0;   // units
};

/// Requires a program that is proven. Rows longer than `columns` are cut and end in "...".
Picture draw(const Program& program, int columns);

}  // namespace stagecraft
