// A timeline as a picture in text, to scale: a row a stage, time to the right.
#pragma once

#include <string>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"

namespace stagecraft {

struct TextDiagramStyle {
  int columns = 100;    // longer rows are cut and end in "..."
  bool colour = false;  // by kind, with a terminal's escape sequences
};

/// Compute alone; transfers, reductions and the optimizer show as the gaps that they cause. The
/// scale is the smallest at which the shortest instruction holds its name: "F3", or "2F3" where
/// stages have several chunks; where costs are so far apart that a row would pass 100,000 columns,
/// it does not, and names are cut. Requires a timeline of `program` in which some compute takes
/// time.
std::string draw(const Program& program, const Timeline& timeline, const TextDiagramStyle& style);

struct TextDiagram {
  std::string text;
  double bubble = 0;  // idle time over makespan, mean over stages
  int makespan = 0;   // units
};

/// In the units of the formulas: F takes 1, I and W 1 each, B 2, everything else nothing. Requires
/// a program that is proven.
TextDiagram draw(const Program& program, int columns);

}  // namespace stagecraft
