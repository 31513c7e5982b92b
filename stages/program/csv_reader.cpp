#include "stages/program/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "stages/program/csv_cells.h"
#include "stages/program/csv_wait_check.h"

namespace stagecraft {
namespace {

constexpr std::string_view kOverlap = ")OVERLAP_F_B";
constexpr std::string_view kBlanks = " \t\r";
constexpr int kMax = 1 << 20;  // chunks, micro-batches

/// Parses a number at the front of `text` and removes it; -1 if there is none.
int take_number(std::string_view& text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc() && value >= 0 && value < kMax ? value : -1;
}

class CsvReader {
 public:
  WrittenProgram read(std::string_view text) {
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    for (location_.line = 1; !text.empty(); ++location_.line) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      read_row(text.substr(0, end));
      text.remove_prefix(std::min(text.size(), end + 1));
    }
    infer_sizes();
    return std::move(written_);
  }

 private:
  struct Located {
    Instruction instruction;
    TextPosition location;
  };

  [[noreturn]] void refuse(std::string_view cell) const {
    throw TextError(
        location_,
        fmt::format("\"{}\" is not a valid cell; write CHUNK NAME MICROBATCH as in 0F1, with {}; "
                    "CHUNK NAME as in 0REDUCE_GRAD, with {}; or (0F3;3B1)OVERLAP_F_B; without "
                    "quotes",
                    cell, fmt::join(cell_names(true), ", "), fmt::join(cell_names(false), ", ")));
  }

  void read_row(std::string_view row) {
    written_.program.stages.emplace_back();
    written_.locations.emplace_back();
    waits_ = {};
    if (row.find_first_not_of(kBlanks) == std::string_view::npos) {
      throw TextError({location_.line, 1},
                      "an empty row; remove it, or write a comma for a stage without chunks");
    }
    for (std::size_t at = 0; at <= row.size();) {
      const std::size_t end = std::min(row.find(',', at), row.size());
      read_cell(row.substr(at, end - at), at);
      at = end + 1;
    }
  }

  void read_cell(std::string_view cell, std::size_t at) {
    const std::size_t begin = std::min(cell.find_first_not_of(kBlanks), cell.size());
    cell = cell.substr(begin, cell.find_last_not_of(kBlanks) + 1 - begin);
    at += begin;
    location_.column = static_cast<int>(at) + 1;
    if (cell.starts_with('(')) {
      read_overlapped(cell, at);
    } else if (!cell.empty()) {
      read_instruction(cell);
    }
  }

  /// torch runs the two instructions of the cell concurrently; here they run one after the other.
  void read_overlapped(std::string_view cell, std::size_t at) {
    if (!cell.ends_with(kOverlap)) {
      refuse(cell);
    }
    const std::string_view pair = cell.substr(1, cell.size() - 1 - kOverlap.size());
    for (std::size_t from = 0; from <= pair.size();) {
      const std::size_t end = std::min(pair.find(';', from), pair.size());
      location_.column = static_cast<int>(at + 1 + from) + 1;
      read_instruction(pair.substr(from, end - from));
      from = end + 1;
    }
  }

  void read_instruction(std::string_view cell) {
    std::string_view rest = cell;
    Instruction instruction{.chunk = take_number(rest)};
    const std::string_view text = rest.substr(0, rest.find_first_of("0123456789"));
    rest.remove_prefix(text.size());
    const std::optional<CellName> name = parse_cell_name(text);
    if (instruction.chunk < 0 || !name) {
      refuse(cell);
    }
    instruction.op = name->op;
    if (has_microbatch(instruction.op)) {
      instruction.microbatch = take_number(rest);
    }
    if (instruction.microbatch < 0 || !rest.empty()) {
      refuse(cell);
    }
    take(name->role, instruction);
  }

  void take(CellRole role, const Instruction& instruction) {
    switch (role) {
      case CellRole::implied:
        return;
      case CellRole::wait:
        waits_.wait(instruction, location_);
        return;
      case CellRole::issue:
        if (has_wait(instruction.op)) {
          waits_.issue(instruction, location_);
        }
        add({instruction, location_});
    }
  }

  void add(const Located& placed) {
    written_.program.stages.back().push_back({placed.instruction});
    written_.locations.back().push_back(placed.location);
  }

  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t stage = 0; stage < written_.locations.size(); ++stage) {
      for (std::size_t at = 0; at < written_.locations[stage].size(); ++at) {
        visit(written_.program.stages[stage][at].front(), written_.locations[stage][at]);
      }
    }
  }

  /// Chunks: the highest chunk number. Micro-batches: those that chunk 0 runs forward.
  void infer_sizes() {
    Program& program = written_.program;
    for_each([&](const Instruction& i, TextPosition) {
      program.chunks = std::max(program.chunks, i.chunk + 1);
      if (i.op == Op::forward && i.chunk == 0) {
        program.microbatches = std::max(program.microbatches, i.microbatch + 1);
      }
    });
    written_.place_chunks({});
    for_each([&](const Instruction& i, TextPosition location) {
      if (i.microbatch >= program.microbatches) {
        throw TextError(
            location,
            fmt::format("micro-batch {} is beyond the {} that chunk 0 runs forward; count "
                        "from 0 in every row (torch's own 1F1B begins its last row with "
                        "micro-batch 1: use our 1f1b)",
                        i.microbatch, program.microbatches));
      }
    });
  }

  WrittenProgram written_;
  TextPosition location_;
  // Of the current row:
  CsvWaitCheck waits_;
};

}  // namespace

WrittenProgram parse_csv_form(std::string_view text) { return CsvReader().read(text); }

}  // namespace stagecraft
