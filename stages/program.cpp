// The text form of programs.
#include "stages/program.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::string group_text(const Group& group) {
  if (group.size() == 1) {
    return to_string(group.front());
  }
  std::vector<std::string> members;
  for (const Instruction& instruction : group) {
    members.push_back(to_string(instruction));
  }
  return fmt::format("({})", fmt::join(members, " "));
}

/// Walks through a text and knows where it is.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /// The next line that says something, without its comment.
  bool next_line() {
    while (!text_.empty()) {
      const std::size_t end = text_.find('\n');
      line_ = text_.substr(0, end);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      ++number_;
      line_ = line_.substr(0, line_.find('#'));
      column_ = 0;
      if (line_.find_first_not_of(" \t\r") != std::string_view::npos) {
        return true;
      }
    }
    return false;
  }

  /// The next token of the line: a parenthesis, or what stands between blanks and parentheses;
  /// empty at the end.
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

  [[noreturn]] void fail(std::string_view text) const {
    throw Error(fmt::format("line {}, column {}", number_, begin_ + 1), text);
  }

  int number(std::string_view what) {
    const std::string token(next_token());
    std::size_t used = 0;
    int value = -1;
    try {
      value = std::stoi(token, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != token.size() || value < 1) {
      fail(fmt::format("\"{}\" is not a number of {}; write a whole number from 1", token, what));
    }
    return value;
  }

  void word(std::string_view expected) {
    const std::string_view token = next_token();
    if (token != expected) {
      fail(fmt::format(R"("{}" stands where "{}" is expected)", token, expected));
    }
  }

 private:
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
    reader.fail(fmt::format("{} is beyond the {} chunks and {} micro-batches of the header", token,
                            program.chunks, program.microbatches));
  }
  return instruction;
}

StageProgram parse_stage(Reader& reader, const Program& program) {
  StageProgram stage;
  std::optional<Group> open;
  for (std::string_view token = reader.next_token(); !token.empty(); token = reader.next_token()) {
    if (token == "(") {
      if (open) {
        reader.fail("a group cannot stand within a group; close it with \")\" first");
      }
      open.emplace();
    } else if (token == ")") {
      if (!open || open->empty()) {
        reader.fail("\")\" closes nothing; write (1SG0 1RA1)");
      }
      stage.push_back(*std::exchange(open, std::nullopt));
    } else if (open) {
      open->push_back(parse_token(reader, token, program));
    } else {
      stage.push_back({parse_token(reader, token, program)});
    }
  }
  if (open) {
    reader.fail("a group is not closed; write \")\" behind its last instruction");
  }
  return stage;
}

/// A chunk belongs to the stage whose line has its F.
void place_chunks(Program& program) {
  program.stage_of_chunk.assign(static_cast<std::size_t>(program.chunks), -1);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (const Group& group : program.stages[stage]) {
      for (const Instruction& instruction : group) {
        int& owner = program.stage_of_chunk[static_cast<std::size_t>(instruction.chunk)];
        if (instruction.op == Op::forward && owner < 0) {
          owner = static_cast<int>(stage);
        }
      }
    }
  }
  for (int chunk = 0; chunk < program.chunks; ++chunk) {
    require(program.stage_of_chunk[static_cast<std::size_t>(chunk)] >= 0, "program",
            "no stage runs chunk {} forward; add {}F0 to a stage's line", chunk, chunk);
  }
}

}  // namespace

std::string to_string(const Program& program) {
  std::string text = fmt::format("program stages {} chunks {} microbatches {}\n",
                                 program.stages.size(), program.chunks, program.microbatches);
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    text += fmt::format("{}:", stage);
    for (const Group& group : program.stages[stage]) {
      text += fmt::format(" {}", group_text(group));
    }
    text += "\n";
  }
  return text;
}

Program parse_program(std::string_view text) {
  Reader reader(text);
  if (!reader.next_line()) {
    reader.fail("the text is empty; begin with \"program stages P chunks C microbatches M\"");
  }
  Program program;
  reader.word("program");
  reader.word("stages");
  const int stages = reader.number("stages");
  reader.word("chunks");
  program.chunks = reader.number("chunks");
  reader.word("microbatches");
  program.microbatches = reader.number("micro-batches");
  for (int stage = 0; stage < stages; ++stage) {
    if (!reader.next_line()) {
      reader.fail(fmt::format("the line of stage {} of {} is missing", stage, stages));
    }
    reader.word(fmt::format("{}:", stage));
    program.stages.push_back(parse_stage(reader, program));
  }
  if (reader.next_line()) {
    reader.next_token();
    reader.fail(fmt::format("the header has {} stages, but here is one more line", stages));
  }
  place_chunks(program);
  return program;
}

}  // namespace stagecraft
