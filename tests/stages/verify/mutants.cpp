#include "tests/stages/verify/mutants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernels/base/error.h"
#include "stages/plan/auto_schedule.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft::test {

Mutant Mutants::next() {
  Mutant mutant = original();
  if (chance(50)) {
    bound(mutant);
  }
  const Program built = mutant.program;
  const int changes = chance(5) ? 0 : chance(75) ? 1 : 2;
  for (int i = 0; i < changes; ++i) {
    mutate(mutant);
  }
  mutant.changed = mutant.program != built;
  return mutant;
}

Mutant Mutants::original() {
  while (true) {
    const auto which =
        static_cast<std::size_t>(below(static_cast<int>(schedule_names().size()) + 1));
    const bool found = which == schedule_names().size();
    const std::string name = found ? std::string(kAutoSchedule) : schedule_names()[which];
    const ScheduleShape shape{
        .stages = 2 + below(3), .microbatches = 1 + below(6), .chunks = 1 + below(2)};
    const ReductionShape reductions{.tied = chance(50), .data = chance(50)};
    try {
      const Program compute = found ? found_by_auto(shape) : build_schedule(name, shape);
      const bool evaluation = chance(10);
      return {.origin = fmt::format("{}{} {} x {}, {}", name, evaluation ? "'s evaluation" : "",
                                    shape.stages, shape.chunks, shape.microbatches),
              .program = evaluation ? with_transfers(forwards_of(compute))
                                    : with_reductions(with_transfers(compute), reductions),
              .changed = false,
              .reductions = reductions,
              .bounds = {}};
    } catch (const Error&) {
      continue;  // outside the schedule's domain
    }
  }
}

/// For equal costs, or for a head that costs more and transfers that take time.
const Program& Mutants::found_by_auto(const ScheduleShape& shape) {
  const bool uneven = chance(50);
  const std::vector<int> key{shape.stages, shape.microbatches, shape.chunks, uneven ? 1 : 0};
  const auto known = found_.find(key);
  if (known != found_.end()) {
    return known->second;
  }
  AutoProblem problem{.shape = shape, .budget = 20'000};
  if (uneven) {
    problem.costs.transfer = 0.25;
    problem.costs.chunks.assign(static_cast<std::size_t>(shape.stages * shape.chunks), {});
    problem.costs.chunks.back() = {.forward = 1.5, .backward_input = 2, .backward_weight = 1};
  }
  return found_.emplace(key, find_schedule(problem).compute).first->second;
}

/// Random sizes, and as a limit the peak of the program or slightly more.
void Mutants::bound(Mutant& mutant) {
  Bounds& bounds = mutant.bounds;
  bounds.slots = 1 + below(3);
  bounds.tensor = below(4);
  for (std::size_t stage = 0; stage < mutant.program.stages.size(); ++stage) {
    bounds.stage.push_back(below(10));
  }
  for (int chunk = 0; chunk < mutant.program.chunks; ++chunk) {
    bounds.stash.push_back(below(10));
    bounds.weight_stash.push_back(below(6));
    bounds.forward.push_back(below(12));
    bounds.backward_input.push_back(below(16));
    bounds.backward.push_back(below(20));
  }
  const Outcome outcome = interpret(mutant.program, mutant.reductions, bounds, 1, 0);
  bounds.bytes = *std::max_element(outcome.peaks.begin(), outcome.peaks.end()) + below(4);
}

void Mutants::mutate(Mutant& mutant) {
  switch (below(mutant.bounds.bytes ? 8 : 7)) {
    case 0:
      mutant.origin += ", swapped";
      return swap(mutant.program);
    case 1:
      mutant.origin += ", moved";
      return move(mutant.program);
    case 2:
      mutant.origin += ", dropped";
      return drop(mutant.program);
    case 3:
      mutant.origin += ", duplicated";
      return duplicate(mutant.program);
    case 4:
      mutant.origin += ", retargeted";
      return retarget(mutant.program);
    case 5:
    case 6:
      mutant.origin += ", regrouped";
      return regroup(mutant.program);
    default:
      mutant.origin += ", shrunk";
      return shrink(mutant);
  }
}

StageProgram& Mutants::some_line(Program& program) {
  while (true) {
    StageProgram& line =
        program.stages[static_cast<std::size_t>(below(static_cast<int>(program.stages.size())))];
    if (!line.empty()) {
      return line;
    }
  }
}

std::size_t Mutants::some_location(const StageProgram& line) {
  return static_cast<std::size_t>(below(static_cast<int>(line.size())));
}

/// Mostly the next location, so that not every mutant is wrong.
std::size_t Mutants::near(const StageProgram& line, std::size_t location) {
  return chance(70) ? std::min(location + 1, line.size() - 1) : some_location(line);
}

void Mutants::swap(Program& program) {
  StageProgram& line = some_line(program);
  const std::size_t location = some_location(line);
  std::swap(line[location], line[near(line, location)]);
}

void Mutants::move(Program& program) {
  StageProgram& line = some_line(program);
  const std::size_t from = some_location(line);
  const TransferGroup group = line[from];
  line.erase(line.begin() + static_cast<std::ptrdiff_t>(from));
  const auto to = std::min<std::size_t>(line.size(), from + static_cast<std::size_t>(below(6)));
  const auto back = static_cast<std::size_t>(below(3));
  line.insert(line.begin() + static_cast<std::ptrdiff_t>(to < back ? 0 : to - back), group);
}

void Mutants::drop(Program& program) {
  StageProgram& line = some_line(program);
  const std::size_t location = some_location(line);
  TransferGroup& group = line[location];
  group.erase(group.begin() + below(static_cast<int>(group.size())));
  if (group.empty()) {
    line.erase(line.begin() + static_cast<std::ptrdiff_t>(location));
  }
}

void Mutants::duplicate(Program& program) {
  StageProgram& line = some_line(program);
  const std::size_t from = some_location(line);
  const TransferGroup group = line[from];
  StageProgram& target = chance(80) ? line : some_line(program);
  target.insert(target.begin() + static_cast<std::ptrdiff_t>(near(target, some_location(target))),
                group);
}

void Mutants::retarget(Program& program) {
  constexpr std::array<Op, 12> kOps = {
      Op::forward,         Op::backward,           Op::backward_input,   Op::backward_weight,
      Op::send_activation, Op::receive_activation, Op::send_gradient,    Op::receive_gradient,
      Op::reduce_tied,     Op::reduce_data,        Op::reduce_tied_data, Op::optimizer};
  StageProgram& line = some_line(program);
  TransferGroup& group = line[some_location(line)];
  Instruction& instruction = group[static_cast<std::size_t>(below(static_cast<int>(group.size())))];
  switch (below(4)) {
    case 0:
      instruction.chunk = below(program.chunks);
      break;
    case 1:
      instruction.microbatch = below(program.microbatches);
      break;
    case 2:
      instruction.op = kOps.at(static_cast<std::size_t>(below(static_cast<int>(kOps.size()))));
      break;
    default:
      program.stage_of_chunk[static_cast<std::size_t>(below(program.chunks))] =
          below(static_cast<int>(program.stages.size()));
  }
}

/// Joins two groups, splits a group, or changes the order within one.
void Mutants::regroup(Program& program) {
  StageProgram& line = some_line(program);
  const std::size_t location = some_location(line);
  TransferGroup& group = line[location];
  const auto after = line.begin() + static_cast<std::ptrdiff_t>(location) + 1;
  if (group.size() > 1 && chance(50)) {
    std::swap(group.front(),
              group[static_cast<std::size_t>(below(static_cast<int>(group.size())))]);
  } else if (group.size() > 1) {
    const TransferGroup rest(group.begin() + 1, group.end());
    group.resize(1);
    line.insert(after, rest);
  } else if (after != line.end()) {
    group.insert(group.end(), after->begin(), after->end());
    line.erase(after);
  }
}

void Mutants::shrink(Mutant& mutant) {
  chance(50) ? mutant.bounds.slots -= 1 + below(2) : * mutant.bounds.bytes -= 1 + below(5);
}

}  // namespace stagecraft::test
