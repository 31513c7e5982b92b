// One instruction of a pipeline program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/formatter.h"

namespace stagecraft {

enum class Op : std::uint8_t {
  forward,             // F
  backward,            // B: both gradients
  backward_input,      // I
  backward_weight,     // W
  send_activation,     // SA: the chunk's output, to the stage of chunk + 1
  receive_activation,  // RA: the chunk's input, from the stage of chunk - 1
  send_gradient,       // SG: the gradient of the chunk's input, to the stage of chunk - 1
  receive_gradient,    // RG: the gradient of the chunk's output, from the stage of chunk + 1
  reduce_tied,         // T: adds the gradients of a tied parameter's uses, embedding + head
  reduce_data,         // D: adds the chunk's gradients over the data axis
  optimizer            // U: updates all parameters of the stage
};

/// `chunk` counts through the model and `microbatch` through the step, both from 0. T and D concern
/// a whole chunk and have no micro-batch; U has neither. Numbers that do not apply are 0.
struct Instruction {
  Op op = Op::forward;
  int chunk = 0;
  int microbatch = 0;
  friend bool operator==(const Instruction&, const Instruction&) = default;
};

// F, B, I, W
constexpr bool is_compute(Op op) { return op <= Op::backward_weight; }
// SA, RA, SG, RG
constexpr bool is_transfer(Op op) {
  return op >= Op::send_activation && op <= Op::receive_gradient;
}
// SA, SG
constexpr bool is_send(Op op) { return op == Op::send_activation || op == Op::send_gradient; }
// SA, RA
constexpr bool carries_activation(Op op) {
  return op == Op::send_activation || op == Op::receive_activation;
}
constexpr bool has_microbatch(Op op) { return op <= Op::receive_gradient; }
std::string_view letters(Op op);

/// The receive of a send, or the send of a receive: 2SA0 and 3RA0, 3SG0 and 2RG0. Requires a
/// transfer.
constexpr Instruction other_end(const Instruction& transfer) {
  switch (transfer.op) {
    case Op::send_activation:
      return {Op::receive_activation, transfer.chunk + 1, transfer.microbatch};
    case Op::receive_activation:
      return {Op::send_activation, transfer.chunk - 1, transfer.microbatch};
    case Op::send_gradient:
      return {Op::receive_gradient, transfer.chunk - 1, transfer.microbatch};
    default:
      return {Op::send_gradient, transfer.chunk + 1, transfer.microbatch};
  }
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
