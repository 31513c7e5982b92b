// Where each rank's time went in a step, whose fault its idle time is, and which chain of
// instructions the step's length follows from.
#pragma once

#include <string_view>
#include <vector>

#include "stages/step_actions.h"

namespace stagecraft {

/// Why a rank was idle.
enum class IdleCause : std::uint8_t {
  instruction,  // what it was to receive was not made yet
  credit,       // its channel's slots were full
  partner,      // another member of a collective had not come
  optimizer,    // other ranks had not come to the optimizer
  driver,       // all had: the driver's decision, or its order to begin the step
  engine,       // between two instructions that could follow each other at once
  end           // it was done, and others were not
};
std::string_view to_string(IdleCause cause);

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

/// A part of the critical path.
struct PathPiece {
  enum class Kind : std::uint8_t { instruction, transfer, driver, engine } kind = Kind::instruction;
  int rank = 0;
  Instruction instruction = {};  // that ran; of a transfer the receive
  double begin = 0;
  double end = 0;
};

struct Explanation {
  std::vector<RankTimes> ranks;
  std::vector<PathPiece> path;  // in time order, without gaps, from 0 to the step's end
};

/// Requires a whole step of `program`, whose channels had `slots` slots. Near-linear in its
/// instructions.
Explanation explain_step(const Program& program, const MeshShape& mesh, const StepActions& step,
                         int slots);

}  // namespace stagecraft
