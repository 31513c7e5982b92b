// A program: one issue order per stage. Builders list compute only; passes add transfers and
// reductions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/instruction.h"

namespace stagecraft {

/// What is issued together: one instruction, or a group of transfers that proceed side by side.
using Group = std::vector<Instruction>;
using StageProgram = std::vector<Group>;

struct Program {
  int chunks = 1;
  int microbatches = 1;
  std::vector<int> stage_of_chunk;   // size `chunks`
  std::vector<StageProgram> stages;  // one a stage
  friend bool operator==(const Program&, const Program&) = default;
};

/// One line a stage behind a header; groups in parentheses:
///   program stages 2 chunks 2 microbatches 2
///   0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1
std::string to_string(const Program& program);
/// The inverse; chunks belong to the stages whose line has them. Empty lines and what follows '#'
/// are passed over. Throws Error "[line L, column C] ..." with the remedy.
Program parse_program(std::string_view text);

/// What a builder needs to know; one chunk a stage.
struct ScheduleShape {
  int stages = 1;
  int microbatches = 1;
};

/// Compute only: all forwards, then all backwards, in micro-batch order (Huang et al., arXiv
/// 1811.06965).
Program gpipe(const ScheduleShape& shape);
/// Compute only: stage i of p (from 0) runs p - i - 1 forwards, then one forward and one backward
/// in turn (PipeDream-flush; Narayanan et al., arXiv 2006.09503).
Program one_f_one_b(const ScheduleShape& shape);
/// Compute only: forwards alone, for an evaluation.
Program forward_only(const ScheduleShape& shape);

/// The names that [parallel] schedule knows, and their builders. Throws Error for another name.
const std::vector<std::string>& schedule_names();
Program build_schedule(std::string_view name, const ScheduleShape& shape);

/// Adds a receive before every instruction whose input comes from another stage and a send behind
/// every one whose output goes to another; transfers that follow each other without compute between
/// them form one group, since neighbours would otherwise wait for each other crosswise.
Program with_transfers(Program program);

struct ReductionShape {
  bool tied = false;  // the first and the last chunk share a parameter
  bool data = false;  // there is more than one data rank
};
/// Adds T, D for every chunk, and U as the last instruction of every stage.
Program with_reductions(Program program, const ReductionShape& shape);

}  // namespace stagecraft
