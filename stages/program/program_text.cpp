#include "stages/program/program_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace stagecraft {
namespace {

std::string group_text(const TransferGroup& group) {
  if (group.size() == 1) {
    return to_string(group.front());
  }
  std::vector<std::string> members;
  for (const Instruction& instruction : group) {
    members.push_back(to_string(instruction));
  }
  return fmt::format("({})", fmt::join(members, " "));
}

/// Tokenizes a text and keeps track of the position.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /// Moves to the next line that is not empty, without its comment. False at the end of the text.
  bool next_line() {
    while (!text_.empty()) {
      const std::size_t end = text_.find('\n');
      line_ = text_.substr(0, end);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      ++number_;
      line_ = line_.substr(0, line_.find('#'));
      begin_ = column_ = 0;
      if (line_.find_first_not_of(" \t\r") != std::string_view::npos) {
        return true;
      }
    }
    return false;
  }

  /// The next token of the line: a parenthesis, or a run of other characters without blanks. Empty
  /// at the end of the line.
  std::string_view next_token() {
    column_ = std::min(line_.find_first_not_of(" \t\r", column_), line_.size());
    begin_ = column_;
    if (column_ < line_.size()) {
      const bool parenthesis = line_[column_] == '(' || line_[column_] == ')';
      column_ = parenthesis ? column_ + 1
                            : std::min(line_.find_first_of(" \t\r()", column_), line_.size());
    }
    return line_.substr(begin_, column_ - begin_);
  }

  /// The location of the token that next_token returned last.
  TextPosition location() const {
    return {std::max(1, static_cast<int>(number_)), static_cast<int>(begin_) + 1};
  }
  [[noreturn]] void fail(std::string_view text) const { throw TextError(location(), text); }

  int number(std::string_view what) {
    const std::string_view token = next_token();
    int value = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (error != std::errc() || end != token.data() + token.size() || value < 1 || value > kMax) {
      fail(fmt::format("\"{}\" is not a number of {}; write a whole number from 1 to {}", token,
                       what, kMax));
    }
    return value;
  }

  void word(std::string_view expected) {
    const std::string_view token = next_token();
    if (token != expected) {
      fail(fmt::format(R"(found "{0}" where "{1}" is expected; write "{1}")", token, expected));
    }
  }

  void end_of_header() {
    const std::string_view token = next_token();
    if (!token.empty()) {
      fail(fmt::format(R"(unexpected "{}" after the header; begin a new line with "0:")", token));
    }
  }

 private:
  static constexpr int kMax = 1 << 20;
  std::string_view text_;
  std::string_view line_;
  std::size_t number_ = 0;
  std::size_t column_ = 0;
  std::size_t begin_ = 0;
};

Instruction parse_token(const Reader& reader, std::string_view token, const Program& program) {
  Instruction instruction;
  try {
    instruction = parse_instruction(token);
  } catch (const Error& error) {
    reader.fail(error.text());
  }
  if (instruction.chunk >= program.chunks || instruction.microbatch >= program.microbatches) {
    reader.fail(fmt::format(
        "{} is beyond the {} chunks and {} micro-batches of the header (counted from 0); correct "
        "the instruction or the header",
        token, program.chunks, program.microbatches));
  }
  return instruction;
}

/// Reads the rest of the line, after "STAGE:", and appends a stage to `written`.
void parse_stage(Reader& reader, WrittenProgram& written) {
  StageProgram& stage = written.program.stages.emplace_back();
  std::vector<TextPosition>& locations = written.locations.emplace_back();
  std::optional<TransferGroup> open;
  for (std::string_view token = reader.next_token(); !token.empty(); token = reader.next_token()) {
    if (token == "(") {
      if (open) {
        reader.fail("groups cannot be nested; close the open group with \")\" first");
      }
      open.emplace();
    } else if (token == ")") {
      if (!open || open->empty()) {
        reader.fail("\")\" closes no group; write a group as (1SG0 1RA1)");
      }
      stage.push_back(*std::exchange(open, std::nullopt));
    } else {
      const Instruction instruction = parse_token(reader, token, written.program);
      open ? open->push_back(instruction) : stage.push_back({instruction});
      locations.push_back(reader.location());
    }
  }
  if (open) {
    reader.fail("a group is not closed; write \")\" after its last instruction");
  }
}

}  // namespace

std::string to_string(const Program& program) {
  std::string text = fmt::format("program stages {} chunks {} microbatches {}\n",
                                 program.stages.size(), program.chunks, program.microbatches);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    text += fmt::format("{}:", stage);
    for (const TransferGroup& group : program.stages[stage]) {
      text += fmt::format(" {}", group_text(group));
    }
    text += "\n";
  }
  return text;
}

WrittenProgram parse_text_form(std::string_view text) {
  Reader reader(text);
  if (!reader.next_line()) {
    reader.fail("the text is empty; begin with \"program stages P chunks C microbatches M\"");
  }
  WrittenProgram written;
  reader.word("program");
  reader.word("stages");
  const int stages = reader.number("stages");
  reader.word("chunks");
  written.program.chunks = reader.number("chunks");
  reader.word("microbatches");
  written.program.microbatches = reader.number("micro-batches");
  reader.end_of_header();
  const TextPosition header{reader.location().line, 1};
  for (int stage = 0; stage < stages; ++stage) {
    if (!reader.next_line()) {
      reader.fail(fmt::format("the line of stage {} of {} is missing; write \"{}: ...\"", stage,
                              stages, stage));
    }
    reader.word(fmt::format("{}:", stage));
    parse_stage(reader, written);
  }
  if (reader.next_line()) {
    reader.next_token();
    reader.fail(
        fmt::format("the header has {} stages, but there is one more line; correct the "
                    "header or remove the line",
                    stages));
  }
  written.place_chunks(header);
  return written;
}

Program parse_program(std::string_view text) { return parse_text_form(text).program; }

}  // namespace stagecraft
