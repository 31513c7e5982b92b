#include "stages/verify/location_check.h"

#include <algorithm>

namespace stagecraft {
namespace {

Check check_sizes(const Program& program, const DiagnosticWriter& diagnose) {
  if (program.chunks < 1 || program.microbatches < 1 || program.stages.empty()) {
    return diagnose(
        "{} stages of {} chunks with {} micro-batches make no program; give at least one "
        "of each",
        program.stages.size(), program.chunks, program.microbatches);
  }
  const auto stages = static_cast<int>(program.stages.size());
  const std::vector<int>& owners = program.stage_of_chunk;
  const auto stray = std::find_if(owners.begin(), owners.end(),
                                  [&](int stage) { return stage < 0 || stage >= stages; });
  if (owners.size() != static_cast<std::size_t>(program.chunks) || stray != owners.end()) {
    return diagnose("{} of {} chunks have an owner among the {} stages; give every chunk one",
                    std::count_if(owners.begin(), owners.end(),
                                  [&](int stage) { return stage >= 0 && stage < stages; }),
                    program.chunks, stages);
  }
  return {};
}

/// Whether the transfer joins neighbouring chunks on two stages. Gradients are transferred only in
/// training.
bool connects_stages(const Program& program, const Instruction& i, bool training) {
  const int other = other_end(i).chunk;
  return other >= 0 && other < program.chunks &&
         program.stage_of_chunk[static_cast<std::size_t>(other)] !=
             program.stage_of_chunk[static_cast<std::size_t>(i.chunk)] &&
         (training || payload_of(i.op) == Payload::activation);
}

Check check_place(const Program& program, bool training, const InstructionSite& step,
                  std::size_t members, const DiagnosticWriter& diagnose) {
  const Instruction& i = step.instruction;
  if (i.chunk < 0 || i.chunk >= program.chunks || i.microbatch < 0 ||
      i.microbatch >= program.microbatches) {
    return diagnose("{} is beyond the program's {} chunks or {} micro-batches; remove it", step,
                    program.chunks, program.microbatches);
  }
  if ((!has_chunk(i.op) && i.chunk != 0) || (!has_microbatch(i.op) && i.microbatch != 0)) {
    return diagnose("{} has a chunk or micro-batch number that does not apply to it; set it to 0",
                    step);
  }
  const int owner = program.stage_of_chunk[static_cast<std::size_t>(i.chunk)];
  if (has_chunk(i.op) && owner != step.stage) {
    return diagnose("{} is on a stage that does not own chunk {}; move it to stage {}", step,
                    i.chunk, owner);
  }
  if (members > 1 && !is_transfer(i.op)) {
    return diagnose("{} is in a group; only transfers may be: write it alone", step);
  }
  if (is_transfer(i.op) && !connects_stages(program, i, training)) {
    return diagnose("{} transfers a tensor that no other stage sends or receives; remove it", step);
  }
  return {};
}

}  // namespace

Check check_locations(const Program& program, const DiagnosticWriter& diagnose) {
  if (Check found = check_sizes(program, diagnose)) {
    return found;
  }
  const bool training = trains(program);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    const StageProgram& line = program.stages[stage];
    for (std::size_t position = 0; position < line.size(); ++position) {
      if (line[position].empty()) {
        return diagnose("group {} of stage {} is empty; remove it", position, stage);
      }
      for (const Instruction& i : line[position]) {
        const InstructionSite step{static_cast<int>(stage), static_cast<int>(position), i};
        if (Check found = check_place(program, training, step, line[position].size(), diagnose)) {
          return found;
        }
      }
    }
  }
  return {};
}

}  // namespace stagecraft
