// A timeline as a picture for slides, as the papers draw schedules.
#pragma once

#include <string>

#include "stages/program.h"
#include "stages/simulate.h"

namespace stagecraft {

/// An SVG file: time to the right, stages down, to scale; colours by kind, a stage's later chunks
/// darker; numbers are micro-batches; at the right the most activations, and weight stashes, that a
/// stage holds. `title` stands above. Requires a timeline of `program` that takes time.
std::string schedule_svg(const Program& program, const Timeline& timeline,
                         const std::string& title);

}  // namespace stagecraft
