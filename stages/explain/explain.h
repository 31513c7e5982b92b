// Explains a step: how each rank spent its time, which rank caused its idle time, and the critical
// path.
#pragma once

#include <string_view>
#include <vector>

#include "stages/explain/critical_path.h"
#include "stages/explain/idle_cause.h"
#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// A span of time in which a rank was idle.
struct Gap {
  double begin = 0;
  double end = 0;
  IdleCause cause = IdleCause::overhead;
  Instruction next = {};     // the instruction after the gap; at the step's end, the last one
  int culprit = -1;          // the rank that it waited for; -1: none
  Instruction awaited = {};  // the culprit's instruction
};

struct RankTimes {
  double compute = 0;
  double communication = 0;  // exposed: transfers and collectives without concurrent compute
  double idle = 0;           // the rest of the step
  std::vector<Gap> gaps;     // the parts of idle, in time order
};

struct Explanation {
  std::vector<RankTimes> ranks;
  std::vector<PathPiece> path;  // in time order, without gaps, from 0 to the step's end
};

/// Requires a complete step of `program`, whose channels had `slots` slots. Near-linear in the
/// number of instructions.
Explanation explain_step(const Program& program, const MeshShape& mesh, const StepTimeline& step,
                         int slots);

}  // namespace stagecraft
