// Programs as CSV: a row a stage, a cell an instruction, as torch.distributed.pipelining writes and
// reads them (class _Action of its schedules.py; torch 2.13).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "stages/simulate.h"
#include "stages/written_program.h"

namespace stagecraft {
namespace {

struct CellName {
  std::string_view name;
  Op op;
};
constexpr std::array<CellName, 9> kNames = {{{"F", Op::forward},
                                             {"B", Op::backward},
                                             {"I", Op::backward_input},
                                             {"W", Op::backward_weight},
                                             {"SEND_F", Op::send_activation},
                                             {"RECV_F", Op::receive_activation},
                                             {"SEND_B", Op::send_gradient},
                                             {"RECV_B", Op::receive_gradient},
                                             {"REDUCE_GRAD", Op::reduce_data}}};
constexpr std::string_view kOverlap = ")OVERLAP_F_B";
constexpr std::string_view kBlanks = " \t\r";
constexpr int kMost = 1 << 20;  // chunks, micro-batches

/// Takes a number off the front of `text`; -1 where there is none.
int take_number(std::string_view& text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc() && value >= 0 && value < kMost ? value : -1;
}

class CsvReader {
 public:
  WrittenProgram read(std::string_view text) {
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    for (place_.line = 1; !text.empty(); ++place_.line) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      read_row(text.substr(0, end));
      text.remove_prefix(std::min(text.size(), end + 1));
    }
    infer_sizes();
    return std::move(written_);
  }

 private:
  struct Placed {
    Instruction instruction;
    TextPlace place;
  };

  [[noreturn]] void refuse(std::string_view cell) const {
    throw TextError(
        place_, fmt::format("\"{}\" is no cell; write CHUNK OP MICROBATCH as in 0F1, with F, B, "
                            "I, W, SEND_F, RECV_F, SEND_B or RECV_B, or 0REDUCE_GRAD, or "
                            "(0F3;3B1)OVERLAP_F_B, without quotes",
                            cell));
  }

  /// Reductions go to the row's end, the last chunk first, where a step here has them.
  void read_row(std::string_view row) {
    written_.program.stages.emplace_back();
    written_.places.emplace_back();
    reductions_.clear();
    if (row.find_first_not_of(kBlanks) == std::string_view::npos) {
      throw TextError({place_.line, 1},
                      "an empty row; remove it, or write a comma for a stage without chunks");
    }
    for (std::size_t at = 0; at <= row.size();) {
      const std::size_t end = std::min(row.find(',', at), row.size());
      read_cell(row.substr(at, end - at), at);
      at = end + 1;
    }
    std::stable_sort(reductions_.begin(), reductions_.end(), [](const Placed& a, const Placed& b) {
      return a.instruction.chunk > b.instruction.chunk;
    });
    for (const Placed& reduction : reductions_) {
      add(reduction);
    }
  }

  void read_cell(std::string_view cell, std::size_t at) {
    const std::size_t begin = std::min(cell.find_first_not_of(kBlanks), cell.size());
    cell = cell.substr(begin, cell.find_last_not_of(kBlanks) + 1 - begin);
    at += begin;
    place_.column = static_cast<int>(at) + 1;
    if (cell.starts_with('(')) {
      read_overlapped(cell, at);
    } else if (!cell.empty()) {
      read_instruction(cell);
    }
  }

  /// What runs side by side there runs one after the other here.
  void read_overlapped(std::string_view cell, std::size_t at) {
    if (!cell.ends_with(kOverlap)) {
      refuse(cell);
    }
    const std::string_view pair = cell.substr(1, cell.size() - 1 - kOverlap.size());
    for (std::size_t from = 0; from <= pair.size();) {
      const std::size_t end = std::min(pair.find(';', from), pair.size());
      place_.column = static_cast<int>(at + 1 + from) + 1;
      read_instruction(pair.substr(from, end - from));
      from = end + 1;
    }
  }

  void read_instruction(std::string_view cell) {
    std::string_view rest = cell;
    Instruction instruction{.chunk = take_number(rest)};
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
    rest.remove_prefix(name.size());
    // Weights that are sharded over data ranks; here each has them whole.
    const bool sharding = name == "UNSHARD" || name == "RESHARD";
    const auto* known = std::find_if(kNames.begin(), kNames.end(),
                                     [&](const CellName& entry) { return entry.name == name; });
    if (instruction.chunk < 0 || (known == kNames.end() && !sharding)) {
      refuse(cell);
    }
    instruction.op = sharding ? Op::reduce_data : known->op;
    if (has_microbatch(instruction.op)) {
      instruction.microbatch = take_number(rest);
    }
    if (instruction.microbatch < 0 || !rest.empty()) {
      refuse(cell);
    }
    if (instruction.op != Op::reduce_data) {
      add({instruction, place_});
    } else if (!sharding) {
      reductions_.push_back({instruction, place_});
    }
  }

  void add(const Placed& placed) {
    written_.program.stages.back().push_back({placed.instruction});
    written_.places.back().push_back(placed.place);
  }

  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t stage = 0; stage < written_.places.size(); ++stage) {
      for (std::size_t at = 0; at < written_.places[stage].size(); ++at) {
        visit(written_.program.stages[stage][at].front(), written_.places[stage][at]);
      }
    }
  }

  /// As many chunks as are numbered, as many micro-batches as chunk 0 runs forward.
  void infer_sizes() {
    Program& program = written_.program;
    for_each([&](const Instruction& i, TextPlace) {
      program.chunks = std::max(program.chunks, i.chunk + 1);
      if (i.op == Op::forward && i.chunk == 0) {
        program.microbatches = std::max(program.microbatches, i.microbatch + 1);
      }
    });
    written_.place_chunks({});
    for_each([&](const Instruction& i, TextPlace place) {
      if (i.microbatch >= program.microbatches) {
        throw TextError(
            place,
            fmt::format("micro-batch {} is beyond the {} that chunk 0 runs forward; count "
                        "from 0 in every row (torch 2.13's own 1F1B begins its last row with "
                        "micro-batch 1: take our 1f1b)",
                        i.microbatch, program.microbatches));
      }
    });
  }

  WrittenProgram written_;
  TextPlace place_;
  std::vector<Placed> reductions_;  // of the row
};

std::string cell_text(const Instruction& i) {
  const auto* known = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const CellName& entry) { return entry.op == i.op; });
  if (known == kNames.end()) {
    return "";
  }
  return has_microbatch(i.op) ? fmt::format("{}{}{}", i.chunk, known->name, i.microbatch)
                              : fmt::format("{}{}", i.chunk, known->name);
}

std::vector<std::string> cells_in_order(const StageProgram& stage) {
  std::vector<std::string> cells;
  for (const Group& group : stage) {
    for (const Instruction& instruction : group) {
      if (std::string cell = cell_text(instruction); !cell.empty()) {
        cells.push_back(std::move(cell));
      }
    }
  }
  return cells;
}

std::vector<std::string> cells_in_time(const StageTimeline& timeline) {
  std::vector<std::string> cells;
  for (const Action& action : timeline.actions) {
    if (is_compute(action.instruction.op)) {
      const auto slot = static_cast<std::size_t>(std::lround(action.begin));
      cells.resize(slot + 1);
      cells[slot] = cell_text(action.instruction);
    }
  }
  return cells;
}

}  // namespace

WrittenProgram parse_csv_form(std::string_view text) { return CsvReader().read(text); }

std::string to_csv(const Program& program) {
  std::vector<std::vector<std::string>> rows;
  if (is_compute_only(program)) {
    const CostTable one_slot_each{.chunks = {{.backward = 1.0}}, .slots = program.microbatches};
    for (const StageTimeline& stage : simulate(with_transfers(program), one_slot_each).stages) {
      rows.push_back(cells_in_time(stage));
    }
  } else {
    for (const StageProgram& stage : program.stages) {
      rows.push_back(cells_in_order(stage));
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    text += row.empty() ? ",\r\n" : fmt::format("{}\r\n", fmt::join(row, ","));
  }
  return text;
}

}  // namespace stagecraft
