// The pass that adds reductions and the optimizer to the end of every line.
#pragma once

#include <vector>

#include "stages/program/program.h"

namespace stagecraft {

struct ReductionShape {
  bool tied = false;  // the first and the last chunk share a parameter
  bool data = false;  // there is more than one data rank
};
/// The end of `stage`'s line in a program that trains: T if the stage has one end of the tied
/// parameter, then D of its chunks, the last chunk first, then U.
std::vector<Instruction> tail_of(const Program& program, int stage, const ReductionShape& shape);
/// Adds tail_of to every line.
Program with_reductions(Program program, const ReductionShape& shape);

}  // namespace stagecraft
