#include "stages/program/instruction.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

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

std::string_view name_of(Payload payload) {
  return payload == Payload::activation ? "activation" : "gradient";
}

std::vector<std::string_view> letters_with_chunk() {
  std::vector<std::string_view> all;
  for (const OpTraits& each : kOpTraits) {
    if (has_chunk(each.op)) {
      all.push_back(each.letters);
    }
  }
  return all;
}

}  // namespace

std::string to_string(const Instruction& i) {
  switch (traits(i.op).scope) {
    case OpScope::stage:
      return std::string(letters(i.op));
    case OpScope::model_end:
    case OpScope::chunk:
      return fmt::format("{}{}", i.chunk, letters(i.op));
    case OpScope::microbatch:
      return fmt::format("{}{}{}", i.chunk, letters(i.op), i.microbatch);
  }
  return "";
}

std::string awaited(const Instruction& i, const std::vector<int>& stage_of_chunk) {
  const auto stage_at_other_end = [&] {
    return stage_of_chunk.at(static_cast<std::size_t>(other_end(i).chunk));
  };
  switch (traits(i.op).kind) {
    case OpKind::optimizer:
      return "the driver's update";
    case OpKind::compute:
    case OpKind::reduction:
      return "the others of its group";
    case OpKind::transfer:
      return is_send(i.op)
                 ? fmt::format("a free slot at stage {}", stage_at_other_end())
                 : fmt::format("the {} of micro-batch {} from stage {}", name_of(*payload_of(i.op)),
                               i.microbatch, stage_at_other_end());
  }
  return "";
}

Instruction parse_instruction(std::string_view text) {
  const std::string_view whole = text;
  if (const std::optional<Op> alone = op_of(text); alone && !has_chunk(*alone)) {
    return {.op = *alone};
  }
  Instruction instruction{.chunk = take_number(text, whole)};
  const std::string_view name = text.substr(0, text.find_first_of(kDigits));
  const std::optional<Op> op = op_of(name);
  require(op && has_chunk(*op), "instruction", R"("{}" is not an instruction: "{}" is none of {})",
          whole, name, fmt::join(letters_with_chunk(), ", "));
  instruction.op = *op;
  text.remove_prefix(name.size());
  if (has_microbatch(instruction.op)) {
    instruction.microbatch = take_number(text, whole);
  }
  require(text.empty(), "instruction",
          R"("{}" ends in an unexpected "{}"; put a blank between two instructions)", whole, text);
  return instruction;
}

}  // namespace stagecraft
