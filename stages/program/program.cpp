#include "stages/program/program.h"

#include <algorithm>
#include <functional>

namespace stagecraft {

namespace {

template <typename Holds>
bool any(const Program& program, const Holds& holds) {
  for (const StageProgram& stage : program.stages) {
    for (const TransferGroup& group : stage) {
      if (std::any_of(group.begin(), group.end(),
                      [&](const Instruction& i) { return holds(i.op); })) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

ModelEnds model_ends(const std::vector<int>& stage_of_chunk) {
  return {stage_of_chunk.front(), stage_of_chunk.back()};
}

bool trains(const Program& program) { return any(program, is_backward); }

bool is_compute_only(const Program& program) { return !any(program, std::not_fn(is_compute)); }

bool has_transfers(const Program& program) { return any(program, is_transfer); }

bool is_whole(const Program& program) {
  return (program.stages.size() == 1 || any(program, is_transfer)) &&
         (!trains(program) || any(program, [](Op op) { return op == Op::optimizer; }));
}

Program compute_of(Program program) {
  for (StageProgram& stage : program.stages) {
    for (TransferGroup& group : stage) {
      std::erase_if(group, [](const Instruction& i) { return !is_compute(i.op); });
    }
    std::erase_if(stage, [](const TransferGroup& group) { return group.empty(); });
  }
  return program;
}

}  // namespace stagecraft
