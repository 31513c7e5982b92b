// Draws a timeline as an SVG diagram, in the style of the papers on pipeline schedules.
#pragma once

#include <string>
#include <vector>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {

/// An interval in which the stage of a row was idle.
struct SvgGap {
  double begin = 0;
  double end = 0;
  std::string label;  // drawn inside if it fits
  std::string cause;  // shown as a tooltip
};

struct SvgRow {
  std::string label;
  std::vector<Action> actions;
  std::vector<SvgGap> gaps;
  double end = 0;
  std::string note;  // to the right of the row
};

struct SvgDiagram {
  std::string title;
  std::string notes;  // heading of the rows' notes
  std::vector<int> stage_of_chunk;
  std::vector<SvgRow> rows;
  double unit = 0;  // shortest duration in which two digits must fit; 0: of the shortest action
};

/// Returns an SVG file, to scale: time to the right, one row below the other. Colours show the kind
/// of instruction, and later chunks of a stage are darker. Numbers are micro-batches. In a row with
/// gaps, time that is neither an action nor a gap is communication. REQUIRES: some compute takes
/// time.
std::string svg(const SvgDiagram& picture);

/// Draws one row per stage. To the right of a row are the stage's peak numbers of activations and
/// weight stashes, and its peak bytes if `peaks` has any.
std::string schedule_svg(const Program& program, const Timeline& timeline, const std::string& title,
                         const std::vector<StagePeak>& peaks = {});

}  // namespace stagecraft
