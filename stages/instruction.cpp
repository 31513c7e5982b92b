#include "stages/instruction.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

struct OpName {
  Op op;
  std::string_view letters;
};

constexpr std::array<OpName, 11> kNames = {{{Op::forward, "F"},
                                            {Op::backward, "B"},
                                            {Op::backward_input, "I"},
                                            {Op::backward_weight, "W"},
                                            {Op::send_activation, "SA"},
                                            {Op::receive_activation, "RA"},
                                            {Op::send_gradient, "SG"},
                                            {Op::receive_gradient, "RG"},
                                            {Op::reduce_tied, "T"},
                                            {Op::reduce_data, "D"},
                                            {Op::optimizer, "U"}}};

constexpr std::string_view kDigits = "0123456789";

/// Reads the digits at the front of `text` and takes them off.
int take_number(std::string_view& text, std::string_view whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(
      error == std::errc(), "instruction",
      "\"{}\" is not an instruction: a number is missing or too large; write CHUNK OP MICROBATCH "
      "as in 2F0",
      whole);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

bool is_compute(Op op) { return op <= Op::backward_weight; }
bool is_transfer(Op op) { return op >= Op::send_activation && op <= Op::receive_gradient; }
bool is_send(Op op) { return op == Op::send_activation || op == Op::send_gradient; }
bool has_microbatch(Op op) { return op <= Op::receive_gradient; }

std::string_view letters(Op op) { return kNames.at(static_cast<std::size_t>(op)).letters; }

std::string to_string(const Instruction& instruction) {
  if (instruction.op == Op::optimizer) {
    return "U";
  }
  if (!has_microbatch(instruction.op)) {
    return fmt::format("{}{}", instruction.chunk, letters(instruction.op));
  }
  return fmt::format("{}{}{}", instruction.chunk, letters(instruction.op), instruction.microbatch);
}

Instruction parse_instruction(std::string_view text) {
  const std::string_view whole = text;
  if (text == "U") {
    return {.op = Op::optimizer};
  }
  Instruction instruction{.chunk = take_number(text, whole)};
  const std::string_view name = text.substr(0, text.find_first_of(kDigits));
  const auto* known = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const OpName& entry) { return entry.letters == name; });
  require(known != kNames.end() && known->op != Op::optimizer, "instruction",
          "\"{}\" is not an instruction: \"{}\" is none of F, B, I, W, SA, RA, SG, RG, T, D", whole,
          name);
  instruction.op = known->op;
  text.remove_prefix(name.size());
  if (has_microbatch(instruction.op)) {
    instruction.microbatch = take_number(text, whole);
  }
  require(text.empty(), "instruction", "\"{}\" has \"{}\" behind its end", whole, text);
  return instruction;
}

}  // namespace stagecraft
