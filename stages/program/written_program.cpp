#include "stages/program/written_program.h"

#include <fmt/format.h>

namespace stagecraft {

TextError::TextError(TextPosition location, std::string_view text)
    : Error(fmt::format("line {}, column {}", location.line, location.column), text),
      location_(location) {}

std::optional<TextPosition> WrittenProgram::location_of(int stage,
                                                        const Instruction& instruction) const {
  const auto index = static_cast<std::size_t>(stage);
  std::size_t at = 0;
  for (const TransferGroup& group : program.stages.at(index)) {
    for (const Instruction& each : group) {
      if (each == instruction) {
        return locations.at(index).at(at);
      }
      ++at;
    }
  }
  return {};
}

void WrittenProgram::place_chunks(TextPosition sizes) {
  std::int64_t instructions = 0;
  program.stage_of_chunk.assign(static_cast<std::size_t>(program.chunks), -1);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (const TransferGroup& group : program.stages[stage]) {
      for (const Instruction& instruction : group) {
        int& owner = program.stage_of_chunk[static_cast<std::size_t>(instruction.chunk)];
        if (instruction.op == Op::forward && owner < 0) {
          owner = static_cast<int>(stage);
        }
        ++instructions;
      }
    }
  }
  for (int chunk = 0; chunk < program.chunks; ++chunk) {
    if (program.stage_of_chunk[static_cast<std::size_t>(chunk)] < 0) {
      throw TextError(
          sizes,
          fmt::format("no stage runs chunk {} forward; add {}F0 to a stage's line", chunk, chunk));
    }
  }
  if (instructions < std::int64_t{program.chunks} * program.microbatches) {
    throw TextError(sizes,
                    fmt::format("{} chunks with {} micro-batches have more forwards than the "
                                "{} instructions that follow; correct the sizes or add the "
                                "missing instructions",
                                program.chunks, program.microbatches, instructions));
  }
}

}  // namespace stagecraft
