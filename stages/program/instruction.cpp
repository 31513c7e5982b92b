#include "stages/program/instruction.h"

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

/// Parses the number at the front of `text` and removes it.
int take_number(std::string_view& text, std::string_view whole) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(
      error == std::errc() && value >= 0, "instruction",
      "\"{}\" is not an instruction: a number is missing or too large; write CHUNK OP MICROBATCH "
      "as in 2F0",
      whole);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

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

std::string awaited(const Instruction& i, const std::vector<int>& stage_of_chunk) {
  if (i.op == Op::optimizer) {
    return "the driver's update";
  }
  if (!is_transfer(i.op)) {
    return "the others of its group";
  }
  const bool activation = i.op == Op::send_activation || i.op == Op::receive_activation;
  const int neighbour = i.chunk + (activation == is_send(i.op) ? 1 : -1);
  const int stage = stage_of_chunk.at(static_cast<std::size_t>(neighbour));
  if (is_send(i.op)) {
    return fmt::format("a free slot at stage {}", stage);
  }
  return fmt::format("the {} of micro-batch {} from stage {}",
                     activation ? "activation" : "gradient", i.microbatch, stage);
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
          R"("{}" is not an instruction: "{}" is none of F, B, I, W, SA, RA, SG, RG, T, D)", whole,
          name);
  instruction.op = known->op;
  text.remove_prefix(name.size());
  if (has_microbatch(instruction.op)) {
    instruction.microbatch = take_number(text, whole);
  }
  require(text.empty(), "instruction",
          R"("{}" ends in an unexpected "{}"; put a blank between two instructions)", whole, text);
  return instruction;
}

}  // namespace stagecraft
