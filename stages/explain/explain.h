// Where each rank's time went in a step, whose fault its idle time is, and which chain of
// instructions the step's length follows from.
#pragma once

#include <string_view>
#include <vector>

#include "stages/explain/critical_path.h"
#include "stages/explain/idle_cause.h"
#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// A time in which a rank was idle.
struct Gap {
  double begin = 0;
  double end = 0;
  IdleCause cause = IdleCause::engine;
  Instruction next = {};     // what came behind it; at the step's end, what was last
  int culprit = -1;          // the rank that it waited for; -1: none
  Instruction awaited = {};  // of the culprit
};

struct RankTimes {
  double compute = 0;
  double communication = 0;  // exposed: transfers and collectives that nothing was computed beside
  double idle = 0;           // the rest of the step
  std::vector<Gap> gaps;     // what idle consists of, in time order
};

struct Explanation {
  std::vector<RankTimes> ranks;
  std::vector<PathPiece> path;  // in time order, without gaps, from 0 to the step's end
};

/// Requires a whole step of `program`, whose channels had `slots` slots. Near-linear in its
/// instructions.
Explanation explain_step(const Program& program, const MeshShape& mesh, const StepTimeline& step,
                         int slots);

}  // namespace stagecraft
