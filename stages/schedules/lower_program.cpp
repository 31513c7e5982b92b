#include "stages/schedules/lower_program.h"

#include <algorithm>
#include <utility>

#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

template <typename Predicate>
void remove_groups(StageProgram& line, const Predicate& is_unwanted) {
  line.erase(
      std::remove_if(line.begin(), line.end(),
                     [&](const TransferGroup& group) { return is_unwanted(group.front().op); }),
      line.end());
}

/// Whether the line has D of each of these, and no other.
bool has_all(const StageProgram& line, std::vector<Instruction> due) {
  std::vector<Instruction> there;
  for (const TransferGroup& group : line) {
    if (group.front().op == Op::reduce_data) {
      there.push_back(group.front());
    }
  }
  const auto is_other = [](const Instruction& i) { return i.op != Op::reduce_data; };
  due.erase(std::remove_if(due.begin(), due.end(), is_other), due.end());
  return std::is_permutation(there.begin(), there.end(), due.begin(), due.end());
}

}  // namespace

Program lower_program(Program program, const ReductionShape& shape) {
  const bool lacks_transfers = program.stages.size() > 1 && !has_transfers(program);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    StageProgram& line = program.stages[stage];
    remove_groups(line, [](Op op) { return ends_step(op) && op != Op::reduce_data; });
    if (lacks_transfers ||
        !has_all(line, due_reductions(program, static_cast<int>(stage), shape))) {
      remove_groups(line, ends_step);
    }
  }
  if (lacks_transfers) {
    program = with_transfers(std::move(program));
  }
  return trains(program) ? with_reductions(std::move(program), shape) : program;
}

}  // namespace stagecraft
