// One instruction of a pipeline program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/formatter.h"
#include "stages/program/op_queries.h"

namespace stagecraft {

/// `chunk` counts through the model and `microbatch` through the step, both from 0. T, D and
/// TD concern a whole chunk and have no micro-batch; U has neither. Numbers that do not apply are
/// 0.
struct Instruction {
  Op op = Op::forward;
  int chunk = 0;
  int microbatch = 0;
  friend bool operator==(const Instruction&, const Instruction&) = default;
};

/// The receive of a send, or the send of a receive: 2SA0 and 3RA0, 3SG0 and 2RG0. Requires a
/// transfer.
constexpr Instruction other_end(const Instruction& transfer) {
  const OtherEnd& end = kOtherEnds[static_cast<std::size_t>(transfer.op)];
  return {end.op, transfer.chunk + end.chunks, transfer.microbatch};
}

/// "2F0": chunk 2, forward, micro-batch 0; "0T", "3D", "U".
std::string to_string(const Instruction& instruction);
/// Parses the output of to_string. Throws Error that quotes the text and says what is wrong.
Instruction parse_instruction(std::string_view text);

/// Describes what an instruction that has not fired waits for, given the stage of each chunk: "the
/// activation of micro-batch 3 from stage 0", "a free slot at stage 1", "the driver's update". For
/// an instruction in a collective: "the others of its group".
std::string awaited(const Instruction& instruction, const std::vector<int>& stage_of_chunk);

}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::Instruction>
    : stagecraft::ToStringFormatter<stagecraft::Instruction> {};
