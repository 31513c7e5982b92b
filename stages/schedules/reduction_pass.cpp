#include "stages/schedules/reduction_pass.h"

namespace stagecraft {

std::vector<Instruction> tail_of(const Program& program, int stage, const ReductionShape& shape) {
  std::vector<Instruction> tail;
  const auto owns = [&](int chunk) {
    return program.stage_of_chunk[static_cast<std::size_t>(chunk)] == stage;
  };
  const int last = program.chunks - 1;
  if (shape.tied && model_ends(program.stage_of_chunk).has(stage)) {
    tail.push_back({Op::reduce_tied, owns(last) ? last : 0, 0});
  }
  // Backward order: gradients of later chunks are complete first.
  for (int chunk = last; chunk >= 0; --chunk) {
    if (shape.data && owns(chunk)) {
      tail.push_back({Op::reduce_data, chunk, 0});
    }
  }
  tail.push_back({Op::optimizer, 0, 0});
  return tail;
}

Program with_reductions(Program program, const ReductionShape& shape) {
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (const Instruction& i : tail_of(program, static_cast<int>(stage), shape)) {
      program.stages[stage].push_back({i});
    }
  }
  return program;
}

}  // namespace stagecraft
