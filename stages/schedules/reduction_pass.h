// The pass that adds reductions and the optimizer to every line.
#pragma once

#include <vector>

#include "stages/program/program.h"

namespace stagecraft {

struct ReductionShape {
  bool tied = false;  // the first and the last chunk share a parameter
  bool data = false;  // gradients are summed over ranks of the stage
};
/// What ends a step on `stage`'s line of a program that trains: D of its chunks, the last chunk
/// first; T and TD if the stage has one end of the tied parameter; U.
std::vector<Instruction> due_reductions(const Program& program, int stage,
                                        const ReductionShape& shape);
/// Adds them to every line. D that a line has already stay. D of another chunk comes behind the
/// chunk's last weight gradient and the last gradient that it sends, so that it proceeds beside the
/// backward of other chunks and holds up no other stage. T, TD and U come last: T waits for the
/// other end's stage.
Program with_reductions(Program program, const ReductionShape& shape);

}  // namespace stagecraft
