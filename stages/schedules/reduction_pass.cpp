#include "stages/schedules/reduction_pass.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace stagecraft {
namespace {

/// Behind how many groups of the line D of the chunk comes.
std::size_t place_of(const Instruction& reduction, const StageProgram& line) {
  const auto precedes = [&](const Instruction& i) {
    return i.chunk == reduction.chunk &&
           (traits(i.op).adds_weight_gradient || i.op == Op::send_gradient);
  };
  const auto last = std::find_if(line.rbegin(), line.rend(), [&](const TransferGroup& group) {
    return std::any_of(group.begin(), group.end(), precedes);
  });
  return static_cast<std::size_t>(line.rend() - last);
}

/// `line` with those of `due` that it lacks.
StageProgram with_instructions(const StageProgram& line, const std::vector<Instruction>& due) {
  std::vector<std::pair<std::size_t, Instruction>> missing;  // by place
  for (const Instruction& i : due) {
    if (std::find(line.begin(), line.end(), TransferGroup{i}) == line.end()) {
      missing.emplace_back(i.op == Op::reduce_data ? place_of(i, line) : line.size(), i);
    }
  }
  std::stable_sort(missing.begin(), missing.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  StageProgram complete;
  auto next = missing.begin();
  for (std::size_t place = 0; place <= line.size(); ++place) {
    for (; next != missing.end() && next->first == place; ++next) {
      complete.push_back({next->second});
    }
    if (place < line.size()) {
      complete.push_back(line[place]);
    }
  }
  return complete;
}

}  // namespace

std::vector<Instruction> due_reductions(const Program& program, int stage,
                                        const ReductionShape& shape) {
  std::vector<Instruction> due;
  const auto owns = [&](int chunk) {
    return program.stage_of_chunk[static_cast<std::size_t>(chunk)] == stage;
  };
  const int last = program.chunks - 1;
  for (int chunk = last; chunk >= 0; --chunk) {
    if (shape.data && owns(chunk)) {
      due.push_back({Op::reduce_data, chunk, 0});
    }
  }
  if (shape.tied && model_ends(program.stage_of_chunk).has(stage)) {
    const int end = owns(last) ? last : 0;
    due.push_back({Op::reduce_tied, end, 0});
    if (shape.data) {
      due.push_back({Op::reduce_tied_data, end, 0});
    }
  }
  due.push_back({Op::optimizer, 0, 0});
  return due;
}

Program with_reductions(Program program, const ReductionShape& shape) {
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    const auto due = due_reductions(program, static_cast<int>(stage), shape);
    program.stages[stage] = with_instructions(program.stages[stage], due);
  }
  return program;
}

}  // namespace stagecraft
