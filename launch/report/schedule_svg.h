// A timeline as a picture for slides, as the papers draw schedules.
#pragma once

#include <string>
#include <vector>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {

/// A time in which a row's stage was idle.
struct SvgGap {
  double begin = 0;
  double end = 0;
  std::string label;  // written in it where it fits
  std::string cause;  // shown by a pointer that rests on it
};

struct SvgRow {
  std::string label;
  std::vector<Action> actions;
  std::vector<SvgGap> gaps;
  double end = 0;
  std::string note;  // at the right
};

struct SvgDiagram {
  std::string title;
  std::string notes;  // above the rows' notes
  std::vector<int> stage_of_chunk;
  std::vector<SvgRow> rows;
  double unit = 0;  // a time that two digits need to be read in; 0: the shortest action's
};

/// An SVG file: time to the right, rows down, to scale; colours by kind, a stage's later chunks
/// darker; numbers are micro-batches. What of a row is neither an action nor a gap, where it has
/// gaps, is communication. Requires a row with compute that takes time.
std::string svg(const SvgDiagram& picture);

/// A row a stage; at the right the most activations, and weight stashes, that it holds, and bytes
/// where `peaks` has any.
std::string schedule_svg(const Program& program, const Timeline& timeline, const std::string& title,
                         const std::vector<StagePeak>& peaks = {});

}  // namespace stagecraft
