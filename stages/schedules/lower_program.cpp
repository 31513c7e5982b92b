#include "stages/schedules/lower_program.h"

#include <utility>

#include "stages/schedules/transfer_pass.h"

namespace stagecraft {

namespace {

bool is_of_tail(const TransferGroup& group) { return is_tail(group.front().op); }

}  // namespace

Program lower_program(Program program, const ReductionShape& shape) {
  for (StageProgram& stage : program.stages) {
    while (!stage.empty() && is_of_tail(stage.back())) {
      stage.pop_back();
    }
  }
  if (!has_transfers(program)) {
    program = with_transfers(std::move(program));
  }
  return trains(program) ? with_reductions(std::move(program), shape) : program;
}

}  // namespace stagecraft
