// A timeline as a text diagram, to scale: one row per stage, time to the right.
#pragma once

#include <string>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"

namespace stagecraft {

struct TextDiagramStyle {
  int columns = 100;    // longer rows are cut and end in "..."
  bool colour = false;  // by kind, with terminal escape sequences
};

/// Draws compute only; transfers, reductions and the optimizer appear as the gaps that they cause.
/// The scale is the smallest at which the shortest instruction has room for its name: "F3", or
/// "2F3" if stages have several chunks. A row has at most 100,000 columns; if costs differ too much
/// for that, names are cut. Requires a timeline of `program` in which some compute takes time.
std::string draw(const Program& program, const Timeline& timeline, const TextDiagramStyle& style);

struct TextDiagram {
  std::string text;
  double bubble = 0;  // idle time over makespan, mean over stages
  int makespan = 0;   // units
};

/// Draws with the unit costs of the formulas: F, I and W take 1 each, B 2, everything else 0.
/// Requires a program that is proven.
TextDiagram draw(const Program& program, int columns);

}  // namespace stagecraft
